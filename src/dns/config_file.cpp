#include "dns/config_file.h"

#include <glob.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace weft::dns {
namespace {

constexpr size_t kMaxFile = 4 << 20;  // bytes: what a ConfigMap can hold, and more

Expected<std::string> read_file(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail_errno(path + ": cannot be read", errno);
  std::string text(kMaxFile + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || (file.gcount() == 0 && !file.eof()))
    return fail(ErrorCode::system, path + ": cannot be read: is it a file?");
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kMaxFile) return fail(ErrorCode::too_large, path + ": larger than 4 MiB");
  return text;
}

std::vector<std::string> match_files(const std::string& pattern) {
  glob_t found{};
  std::vector<std::string> out;
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0)
    out.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  return out;
}

/// A line of a Corefile opens a block with a brace at its end, or a snippet; YAML's first line has a key.
bool looks_like_corefile(std::string_view text) {
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    auto first = line.find_first_not_of(" \t\r");
    if (first == std::string::npos || line[first] == '#') continue;
    if (line[first] == '(' || line.compare(first, 7, "import ") == 0) return true;
    auto last = line.find_last_not_of(" \t\r");
    return line[first] != '{' && (line[last] == '{' || line[last] == ',');
  }
  return false;
}

}  // namespace

FileAccess FileAccess::system() {
  return {.read = read_file, .match = match_files, .variable = [](const std::string& name) {
            const char* value = std::getenv(name.c_str());
            return std::string(value ? value : "");
          }};
}

Expected<ConfigFile> read_config(std::string_view text, const std::string& file, const FileAccess& access) {
  const std::filesystem::path path(file);
  const auto extension = path.extension();
  const bool yaml = extension == ".yaml" || extension == ".yml" || extension == ".json";
  const bool corefile = path.filename().string().starts_with("Corefile");
  if (corefile || (!yaml && looks_like_corefile(text))) return read_corefile(text, file, access);
  return read_yaml_config(text, file, access);
}

Expected<ConfigFile> load_config(const std::string& path) {
  auto access = FileAccess::system();
  WEFT_TRY(auto text, access.read(path));
  return read_config(text, path, access);
}

Forward forward_to(const std::vector<SocketAddress>& servers) {
  Forward out;
  // As the C library does: the first that is well.
  out.policy = ForwardPolicy::sequential;
  for (const auto& server : servers)
    out.upstreams.push_back({.address = server, .tls_server_name = {}, .tls_ca_file = {}});
  return out;
}

}  // namespace weft::dns
