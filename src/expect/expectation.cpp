#include "expect/expectation.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <iterator>

#include "base/text.h"
#include "kube/expectations_file.h"
#include "policy/rules.h"

namespace weft::expect {
namespace {

namespace fs = std::filesystem;
using trace::Verdict;

struct VerdictWord {
  std::string_view word;
  Verdict verdict;
};
/// allow and the like as people say it; the rest are docs/trace.md's, with a hyphen.
constexpr std::array kVerdicts = {
    VerdictWord{"allow", Verdict::works},    VerdictWord{"partly", Verdict::partly},
    VerdictWord{"deny", Verdict::denied},    VerdictWord{"refuse", Verdict::refused},
    VerdictWord{"drop", Verdict::dropped},   VerdictWord{"no-name", Verdict::no_name},
    VerdictWord{"no-way", Verdict::no_way},  VerdictWord{"error", Verdict::error},
    VerdictWord{"unknown", Verdict::unknown}};

/// Reads one element of the list; every complaint has its line.
class Reader {
 public:
  Reader(const kube::YamlDocument& document, std::string path, const json::object& fields)
      : document_(document), path_(std::move(path)), fields_(fields) {}

  Expected<void> known(std::initializer_list<std::string_view> names) const {
    for (const auto& [name, value] : fields_) {
      if (std::ranges::find(names, std::string_view(name)) == names.end())
        return bad(std::string(name),
                   fmt::format("there is no such field; there are {}", fmt::join(names, ", ")));
    }
    return {};
  }

  std::unexpected<Error> bad(const std::string& field, std::string_view what) const {
    auto path = path_.empty() ? field : field.empty() ? path_ : path_ + "." + field;
    return fail(ErrorCode::invalid,
                fmt::format("{}:{}: {}: {}", document_.file, document_.line_of(path), path, what));
  }

  Expected<std::string> text(std::string_view field) const {
    const auto* value = fields_.if_contains(field);
    if (!value) return std::string();
    if (!value->is_string() || value->get_string().empty()) return bad(std::string(field), "expected a text");
    return std::string(value->get_string());
  }

  Expected<std::optional<int>> number(std::string_view field, int low, int high) const {
    const auto* value = fields_.if_contains(field);
    if (!value) return std::nullopt;
    if (!value->is_int64() || value->get_int64() < low || value->get_int64() > high)
      return bad(std::string(field), fmt::format("expected a number from {} to {}", low, high));
    return static_cast<int>(value->get_int64());
  }

  /// One text, or a list of them.
  Expected<std::vector<std::string>> texts(std::string_view field) const {
    const auto* value = fields_.if_contains(field);
    std::vector<std::string> out;
    if (!value) return out;
    if (!value->is_array()) {
      WEFT_TRY(auto one, text(field));
      return std::vector{one};
    }
    for (const auto& one : value->get_array()) {
      if (!one.is_string() || one.get_string().empty())
        return bad(std::string(field), "expected a text, or a list of them");
      out.emplace_back(one.get_string());
    }
    if (out.empty()) return bad(std::string(field), "the list is empty");
    return out;
  }

  const json::value* find(std::string_view field) const { return fields_.if_contains(field); }
  int line() const { return document_.line_of(path_); }
  const std::string& file() const { return document_.file; }

 private:
  const kube::YamlDocument& document_;
  std::string path_;
  const json::object& fields_;
};

Expected<Decider> decider_of(const Reader& reader, const std::string& text) {
  auto first = text.find('/'), last = text.rfind('/');
  Decider out{.kind = text.substr(0, first), .namespace_ = {}, .name = text.substr(last + 1)};
  if (first != last && first != text.npos) out.namespace_ = text.substr(first + 1, last - first - 1);
  bool wrong = first == text.npos || out.kind.empty() || out.name.empty() || out.namespace_.contains('/');
  if (wrong) return reader.bad("by", fmt::format("\"{}\": expected KIND/NAMESPACE/NAME, or KIND/NAME", text));
  return out;
}

Expected<void> read_request(const Reader& reader, trace::Request& out) {
  WEFT_TRY(auto port, reader.number("port", 1, 65535));
  if (port) out.port = static_cast<uint16_t>(*port);
  WEFT_TRY(auto protocol, reader.text("protocol"));
  std::ranges::transform(protocol, protocol.begin(), [](unsigned char c) { return std::toupper(c); });
  auto number = policy::protocol_number(protocol.empty() ? "TCP" : protocol);
  if (!number) return reader.bad("protocol", "expected tcp, udp or sctp");
  out.protocol = *number;
  WEFT_TRY(auto method, reader.text("method"));
  if (!method.empty()) out.method = method;
  const auto* headers = reader.find("headers");
  if (!headers) return {};
  if (!headers->is_object()) return reader.bad("headers", "expected NAME: VALUE of each");
  for (const auto& [name, value] : headers->get_object()) {
    // Whatever ends a line would begin a header of its own.
    auto is_line = [](std::string_view text) { return text.find_first_of("\r\n") == text.npos; };
    if (!value.is_string() || !is_line(value.get_string()) || !is_line(name))
      return reader.bad("headers", fmt::format("{}: expected a text of one line", std::string(name)));
    out.headers.emplace_back(lower(name), value.get_string());
  }
  return {};
}

Expected<void> read_expected(const Reader& reader, Expectation& out) {
  WEFT_TRY(auto word, reader.text("expect"));
  if (!word.empty()) {
    auto at = std::ranges::find(kVerdicts, word, &VerdictWord::word);
    if (at == kVerdicts.end()) {
      std::vector<std::string_view> words;
      for (const auto& known : kVerdicts) words.push_back(known.word);
      return reader.bad("expect", fmt::format("\"{}\": expected {}", word, fmt::join(words, ", ")));
    }
    out.verdict = at->verdict;
  }
  WEFT_TRY(out.status, reader.number("status", 100, 599));
  WEFT_TRY(out.location, reader.text("location"));
  WEFT_TRY(out.backends, reader.texts("backend"));
  WEFT_TRY(out.answers, reader.texts("answer"));
  WEFT_TRY(auto deciders, reader.texts("by"));
  for (const auto& text : deciders) {
    WEFT_TRY(auto decider, decider_of(reader, text));
    out.by.push_back(std::move(decider));
  }
  return {};
}

/// Each pair of its sources and destinations is an expectation of its own.
Expected<void> read_entry(const Reader& reader, const std::string& ns, std::vector<Expectation>& out) {
  WEFT_CHECK(reader.known({"name", "from", "to", "port", "protocol", "method", "headers", "expect", "status",
                           "location", "backend", "answer", "by"}));
  Expectation one{.name = {}, .file = reader.file(), .line = reader.line(), .ns = ns, .from = {}, .to = {}};
  WEFT_TRY(auto name, reader.text("name"));
  WEFT_TRY(auto from, reader.texts("from"));
  WEFT_TRY(auto to, reader.texts("to"));
  if (from.empty()) return reader.bad("", "from is missing: who connects");
  if (to.empty()) return reader.bad("", "to is missing: whom it asks for");
  WEFT_CHECK(read_request(reader, one.request));
  WEFT_CHECK(read_expected(reader, one));
  for (const auto& source : from) {
    for (const auto& target : to) {
      one.from = source;
      one.to = target;
      auto pair = fmt::format("{} → {}", source, target);
      one.name = name.empty()                   ? pair
                 : from.size() * to.size() == 1 ? name
                                                : fmt::format("{}: {}", name, pair);
      out.push_back(one);
    }
  }
  return {};
}

Expected<void> read_document(const kube::YamlDocument& document, std::vector<Expectation>& out) {
  static const json::object kNothing;
  Reader top(document, "", document.value.is_object() ? document.value.get_object() : kNothing);
  auto where = fmt::format("{}:{}", document.file, document.line);
  auto kind = kube::string_at(document.value, "kind"),
       version = kube::string_at(document.value, "apiVersion");
  if (kind != kKind || version != kApiVersion)
    return fail(ErrorCode::invalid,
                fmt::format("{}: expected kind {} of apiVersion {}, found {} of {}", where, kKind,
                            kApiVersion, kind.empty() ? "none" : kind, version.empty() ? "none" : version));
  WEFT_CHECK(top.known({"apiVersion", "kind", "metadata", "namespace", "expectations"}));
  WEFT_TRY(auto ns, top.text("namespace"));
  const auto* list = top.find("expectations");
  if (!list || !list->is_array()) return top.bad("expectations", "expected a list");
  for (size_t i = 0; i < list->get_array().size(); ++i) {
    std::string path = "expectations";
    kube::append_index(path, i);
    const auto& entry = list->get_array()[i];
    Reader reader(document, path, entry.is_object() ? entry.get_object() : kNothing);
    if (!entry.is_object()) return reader.bad("", "expected from, to and what is expected");
    WEFT_CHECK(read_entry(reader, ns.empty() ? "default" : ns, out));
  }
  return {};
}

Expected<void> load_expectations(const std::string& file, std::vector<Expectation>& out) {
  WEFT_TRY(auto documents, kube::load_manifests(file));
  WEFT_TRY(auto more, read_expectations(documents));
  std::ranges::move(more, std::back_inserter(out));
  return {};
}

}  // namespace

std::string Decider::str() const {
  return namespace_.empty() ? fmt::format("{} {}", kind, name)
                            : fmt::format("{} {}/{}", kind, namespace_, name);
}

std::string Expectation::place() const { return fmt::format("{}:{}", file, line); }

bool Expectation::is_open() const {
  return !verdict && !status && location.empty() && backends.empty() && answers.empty() && by.empty();
}

Expected<std::vector<Expectation>> read_expectations(const std::vector<kube::YamlDocument>& documents) {
  std::vector<Expectation> out;
  for (const auto& document : documents) WEFT_CHECK(read_document(document, out));
  return out;
}

Expected<Suite> load_suite(const std::vector<std::string>& paths) {
  Suite out;
  for (const auto& path : paths) {
    if (kube::is_expectations_file(path)) {
      WEFT_CHECK(load_expectations(path, out.expectations));
      continue;
    }
    WEFT_TRY(auto more, kube::load_manifests(path));
    std::ranges::move(more, std::back_inserter(out.manifests));
    std::error_code error;
    std::vector<std::string> files;
    for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
      if (kube::is_expectations_file(at->path().string())) files.push_back(at->path().string());
    }
    std::ranges::sort(files);
    for (const auto& file : files) WEFT_CHECK(load_expectations(file, out.expectations));
  }
  if (out.expectations.empty())
    return fail(ErrorCode::not_found,
                fmt::format("{}: no file *.weft.yaml has expectations", fmt::join(paths, ", ")));
  return out;
}

}  // namespace weft::expect
