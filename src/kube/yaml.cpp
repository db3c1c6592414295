#include "kube/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <array>
#include <boost/json/parse.hpp>
#include <charconv>
#include <map>
#include <optional>
#include <sstream>

#include "kube/base64.h"
#include "kube/json_numbers.h"
#include "kube/yaml_blocks.h"
#include "kube/yaml_scalar.h"

namespace weft::kube {
namespace {

constexpr size_t kMaxDepth = 100;
/// What all aliases of a stream may add up to, in values plus bytes of text.
constexpr size_t kMaxAliasWeight = 5'000'000;

/// Leaves yaml-cpp's parser from inside a handler; never leaves this file.
struct YamlError {
  int line;
  std::string what;
};

size_t weight_of(const json::value& value) {
  size_t weight = 1;
  if (const auto* text = value.if_string()) {
    weight += text->size();
  } else if (const auto* list = value.if_array()) {
    for (const auto& element : *list) weight += weight_of(element);
  } else if (const auto* object = value.if_object()) {
    for (const auto& [key, element] : *object) weight += key.size() + weight_of(element);
  }
  return weight;
}

/// Builds JSON from the events of one document at a time.
class Builder : public YAML::EventHandler {
 public:
  explicit Builder(std::string_view file) : file_(file) {}

  std::vector<YamlDocument> take() { return std::move(documents_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    // yaml-cpp takes a stray "," for an endless run of empty documents.
    if (mark.pos == last_start_) throw YamlError{mark.line + 1, "unexpected character"};
    last_start_ = mark.pos;
    document_ = {};
    document_.file = file_;
    document_.line = mark.line + 1;
    anchors_.clear();
    path_.clear();
  }

  void OnDocumentEnd() override {
    if (document_.value.is_null()) return;
    std::ranges::sort(document_.lines);
    documents_.push_back(std::move(document_));
  }

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { put_leaf(mark, anchor, nullptr); }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    auto at = anchors_.find(anchor);
    if (at == anchors_.end()) throw YamlError{mark.line + 1, "an alias inside the value it stands for"};
    spend(mark.line + 1, at->second.weight);
    if (stack_.size() + at->second.depth > kMaxDepth) throw too_deep(mark);
    if (wants_key()) {
      put_key(mark, at->second.value);
    } else {
      put(mark, at->second.value, at->second.depth);
    }
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    // yaml-cpp gives "?" for a plain scalar without a tag and "!" for a quoted one.
    bool merge = tag == "?" && text == "<<" && wants_key();
    put_leaf(mark, anchor, scalar(mark, tag, text), merge);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, anchor, json::array{});
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, anchor, json::object{});
  }
  void OnMapEnd() override {
    for (const auto& source : stack_.back().merged) merge(stack_.back().value.get_object(), source);
    close();
  }

 private:
  struct Open {
    json::value value;
    int line;
    YAML::anchor_t anchor;
    size_t path_size;                     ///< of the path without what this collection adds
    size_t depth = 1;                     ///< of nesting, itself included
    std::optional<std::string> key = {};  ///< of an object, while its value is awaited
    bool merging = false;                 ///< the key is "<<"
    std::vector<json::value> merged = {};
  };
  struct Anchored {
    json::value value;
    size_t weight;
    size_t depth;
  };

  static YamlError too_deep(const YAML::Mark& mark) {
    return {mark.line + 1, "nested deeper than " + std::to_string(kMaxDepth) + " levels"};
  }

  bool wants_key() const {
    return !stack_.empty() && stack_.back().value.is_object() && !stack_.back().key && !stack_.back().merging;
  }

  json::value scalar(const YAML::Mark& mark, const std::string& tag, const std::string& text) {
    if (tag == "!" || tag == "tag:yaml.org,2002:str") return json::value(text);
    if (tag == "tag:yaml.org,2002:binary") {
      auto bytes = decode_base64(text);
      if (!bytes) throw YamlError{mark.line + 1, "!!binary is not base64"};
      return json::value(*bytes);
    }
    bool core = tag.starts_with("tag:yaml.org,2002:");
    if (tag != "?" && !tag.empty() && !core) return json::value(text);
    auto value = plain_scalar(text);
    if (!value) throw YamlError{mark.line + 1, "\"" + text + "\" cannot be said in JSON"};
    if (core) check_tag(mark, tag.substr(tag.rfind(':') + 1), text, *value);
    return *value;
  }

  static void check_tag(const YAML::Mark& mark, std::string_view tag, const std::string& text,
                        const json::value& value) {
    bool fits = (tag == "int" && (value.is_int64() || value.is_uint64())) ||
                (tag == "float" && value.is_number()) || (tag == "bool" && value.is_bool()) ||
                (tag == "null" && value.is_null()) || tag == "timestamp";
    if (!fits) throw YamlError{mark.line + 1, "\"" + text + "\" is no " + std::string(tag)};
  }

  void put_leaf(const YAML::Mark& mark, YAML::anchor_t anchor, json::value value, bool merge_key = false) {
    remember(mark.line + 1, anchor, value, 0);
    if (merge_key) {
      stack_.back().merging = true;
      path_.resize(stack_.back().path_size);
    } else if (wants_key()) {
      put_key(mark, value);
    } else {
      put(mark, std::move(value), 0);
    }
  }

  void put(const YAML::Mark& mark, json::value value, size_t depth) {
    begin_element(mark);
    store(mark.line + 1, std::move(value), depth);
  }

  void remember(int line, YAML::anchor_t anchor, const json::value& value, size_t depth) {
    if (!anchor) return;
    size_t weight = weight_of(value);
    spend(line, weight);
    anchors_[anchor] = {value, weight, depth};
  }

  void spend(int line, size_t weight) {
    alias_weight_ += weight;
    if (alias_weight_ > kMaxAliasWeight)
      throw YamlError{line, "anchors and aliases make the document too large"};
  }

  /// Keys that are no strings become their text; the value's line is that of its key.
  void put_key(const YAML::Mark& mark, const json::value& value) {
    std::string key;
    if (const auto* text = value.if_string()) {
      key.assign(text->data(), text->size());
    } else if (value.is_null() || value.is_structured()) {
      throw YamlError{mark.line + 1, "a key must be a string, a number or a boolean"};
    } else if (const auto* number = value.if_double()) {
      std::array<char, 32> digits{};
      key.assign(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), *number).ptr);
    } else {
      key = json::serialize(value);
    }
    auto& top = stack_.back();
    if (top.value.get_object().contains(key)) throw YamlError{mark.line + 1, "duplicate key \"" + key + "\""};
    top.key = std::move(key);
    path_.resize(top.path_size);
    append_key(path_, *top.key);
    document_.lines.emplace_back(path_, mark.line + 1);
  }

  void open(const YAML::Mark& mark, YAML::anchor_t anchor, json::value empty) {
    if (wants_key()) throw YamlError{mark.line + 1, "a key must be a string, a number or a boolean"};
    if (stack_.size() >= kMaxDepth) throw too_deep(mark);
    begin_element(mark);
    if (stack_.empty()) document_.line = mark.line + 1;
    stack_.push_back(
        {.value = std::move(empty), .line = mark.line + 1, .anchor = anchor, .path_size = path_.size()});
  }

  /// In a list: makes the path that of the next element, and notes its line.
  void begin_element(const YAML::Mark& mark) {
    if (stack_.empty() || !stack_.back().value.is_array()) return;
    path_.resize(stack_.back().path_size);
    append_index(path_, stack_.back().value.get_array().size());
    document_.lines.emplace_back(path_, mark.line + 1);
  }

  void close() {
    Open done = std::move(stack_.back());
    stack_.pop_back();
    remember(done.line, done.anchor, done.value, done.depth);
    path_.resize(done.path_size);
    store(done.line, std::move(done.value), done.depth);
  }

  void store(int line, json::value value, size_t depth) {
    if (stack_.empty()) {
      document_.value = std::move(value);
      return;
    }
    auto& top = stack_.back();
    top.depth = std::max(top.depth, depth + 1);
    if (auto* list = top.value.if_array()) {
      list->push_back(std::move(value));
    } else if (top.merging) {
      add_merge(line, std::move(value));
    } else {
      top.value.get_object().emplace(*top.key, std::move(value));
      top.key.reset();
    }
  }

  /// "<<: *base" or "<<: [*one, *two]": keys that the object does not have itself, the first source first.
  void add_merge(int line, json::value value) {
    auto& top = stack_.back();
    top.merging = false;
    auto sources = value.is_array() ? std::move(value.get_array()) : json::array{std::move(value)};
    for (auto& source : sources) {
      if (!source.is_object()) throw YamlError{line, "<< takes an object or a list of objects"};
      top.merged.push_back(std::move(source));
    }
  }

  static void merge(json::object& into, const json::value& source) {
    for (const auto& [key, value] : source.get_object()) into.emplace(key, value);
  }

  std::string_view file_;
  std::vector<YamlDocument> documents_;
  YamlDocument document_;
  std::vector<Open> stack_;
  std::map<YAML::anchor_t, Anchored> anchors_;
  std::string path_;
  size_t alias_weight_ = 0;
  int last_start_ = -1;
};

std::unexpected<Error> at_line(std::string_view file, int line, std::string_view what) {
  std::string message(file);
  if (line > 0) message.append(":").append(std::to_string(line));
  return fail(ErrorCode::invalid, message.append(": ").append(what));
}

Expected<std::vector<YamlDocument>> build(std::string_view text, std::string_view file) {
  std::istringstream stream{std::string(text)};
  Builder builder(file);
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YamlError& error) {
    return at_line(file, error.line, error.what);
  } catch (const YAML::Exception& error) {
    return at_line(file, error.mark.line + 1, error.msg);
  }
  return builder.take();
}

/// As plain scalars are read.
void settle_numbers(json::value& value) {
  if (const auto* number = value.if_double()) value = number_of(*number);
  if (auto* list = value.if_array()) std::ranges::for_each(*list, settle_numbers);
  if (auto* object = value.if_object()) {
    for (auto& field : *object) settle_numbers(field.value());
  }
}

/// JSON text read as JSON: YAML differs from it in escapes and in tabs.
std::optional<json::value> read_json(std::string_view text) {
  auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || (text[first] != '{' && text[first] != '[')) return std::nullopt;
  json::parse_options options;
  options.max_depth = kMaxDepth;
  json::error_code error;
  auto value = json::parse(text, error, {}, options);
  if (error || !has_finite_numbers(value)) return std::nullopt;
  settle_numbers(value);
  return value;
}

}  // namespace

Expected<std::vector<YamlDocument>> parse_any_yaml(std::string_view text, std::string_view file_name) {
  auto documents = build(text, file_name);
  if (auto json = read_json(text)) {
    // The YAML reading is wanted for the lines alone.
    YamlDocument document;
    if (documents && documents->size() == 1) document = std::move(documents->front());
    document.file = file_name;
    document.line = std::max(document.line, 1);
    document.value = std::move(*json);
    std::vector<YamlDocument> only;
    only.push_back(std::move(document));
    return only;
  }
  return documents;
}

Expected<std::vector<YamlDocument>> parse_yaml(std::string_view text, std::string_view file_name) {
  if (auto documents = read_block_yaml(text, file_name)) return std::move(*documents);
  return parse_any_yaml(text, file_name);
}

int YamlDocument::line_of(std::string_view path) const {
  while (!path.empty()) {
    auto at = std::ranges::lower_bound(lines, path, {},
                                       [](const auto& entry) { return std::string_view(entry.first); });
    if (at != lines.end() && at->first == path) return at->second;
    auto cut = path.find_last_of(".[");
    path = cut == std::string_view::npos ? std::string_view{} : path.substr(0, cut);
  }
  return line;
}

}  // namespace weft::kube
