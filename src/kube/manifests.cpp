#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "kube/expectations_file.h"
#include "kube/yaml.h"

namespace weft::kube {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStandardInput = "-";

bool is_manifest(const fs::path& path) {
  auto extension = path.extension();
  if (is_expectations_file(path.string())) return false;
  return extension == ".yaml" || extension == ".yml" || extension == ".json";
}

Expected<std::vector<fs::path>> files_of(const fs::path& path) {
  std::error_code error;
  auto status = fs::status(path, error);
  if (!fs::exists(status))
    return fail(ErrorCode::not_found, path.string() + ": there is no such file or folder");
  if (!fs::is_directory(status)) return std::vector<fs::path>{path};
  std::vector<fs::path> files;
  for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    if (is_manifest(at->path()) && at->is_regular_file(error)) files.push_back(at->path());
  }
  if (error) return fail(ErrorCode::system, path.string() + ": " + error.message());
  if (files.empty())
    return fail(ErrorCode::not_found, path.string() + ": the folder holds no .yaml, .yml or .json file");
  std::ranges::sort(files);
  return files;
}

Expected<std::string> contents(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  if (!stream || !(text << stream.rdbuf() || stream.peek() == std::ifstream::traits_type::eof())) {
    return fail(ErrorCode::system, path.string() + ": cannot be read");
  }
  return std::move(text).str();
}

/// The element of a List as a document of its own.
YamlDocument element(const YamlDocument& list, size_t index, const json::value& item) {
  std::string path = "items";
  append_index(path, index);
  YamlDocument out{.value = item, .file = list.file, .line = list.line_of(path), .lines = {}};
  auto prefix = path + ".";
  for (const auto& [at, line] : list.lines) {
    if (at.starts_with(prefix)) out.lines.emplace_back(at.substr(prefix.size()), line);
  }
  std::ranges::sort(out.lines);
  return out;
}

void add(std::vector<YamlDocument>& out, YamlDocument document) {
  const auto* items = member(document.value, "items");
  if (!items || !items->is_array() || !string_at(document.value, "kind").ends_with("List")) {
    out.push_back(std::move(document));
    return;
  }
  for (size_t i = 0; i < items->get_array().size(); ++i)
    add(out, element(document, i, items->get_array()[i]));
}

Expected<std::vector<YamlDocument>> objects_of(std::string_view text, const std::string& file) {
  WEFT_TRY(auto documents, parse_yaml(text, file));
  std::vector<YamlDocument> out;
  for (auto& document : documents) add(out, std::move(document));
  return out;
}

Expected<std::vector<YamlDocument>> read_files(const fs::path& path) {
  WEFT_TRY(auto files, files_of(path));
  std::vector<YamlDocument> out;
  for (const auto& file : files) {
    WEFT_TRY(auto text, contents(file));
    WEFT_TRY(auto objects, objects_of(text, file.string()));
    std::ranges::move(objects, std::back_inserter(out));
  }
  return out;
}

/// Whoever writes there may have failed: nothing is not taken for a cluster without objects.
Expected<std::vector<YamlDocument>> read_standard_input() {
  std::string text(std::istreambuf_iterator<char>(std::cin), {});
  WEFT_TRY(auto out, objects_of(text, "stdin"));
  if (out.empty()) return fail(ErrorCode::not_found, "stdin: there are no objects");
  return out;
}

Expected<void> check(const YamlDocument& document) {
  auto where = document.file + ":" + std::to_string(document.line) + ": ";
  if (!document.value.is_object()) return fail(ErrorCode::invalid, where + "expected a Kubernetes object");
  for (auto field : {"apiVersion", "kind"}) {
    if (string_at(document.value, field).empty()) {
      return fail(ErrorCode::invalid, where + field + " is missing; it says what the object is");
    }
  }
  return {};
}

}  // namespace

Expected<std::vector<YamlDocument>> load_manifests(const std::string& path) {
  std::vector<YamlDocument> out;
  if (path == kStandardInput) {
    WEFT_TRY(out, read_standard_input());
  } else {
    WEFT_TRY(out, read_files(path));
  }
  for (const auto& document : out) WEFT_CHECK(check(document));
  return out;
}

}  // namespace weft::kube
