#include "kube/yaml_blocks.h"

#include <algorithm>
#include <string>
#include <utility>

#include "kube/yaml_scalar.h"

namespace weft::kube {
namespace {

constexpr size_t kMaxDepth = 50;
/// What may begin a key, or a plain scalar: neither has a meaning of its own in YAML.
bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '/';
}
bool is_in_key(char c) { return is_word(c) || c == '.' || c == '-'; }

std::string_view without_spaces_behind(std::string_view text) {
  auto last = text.find_last_not_of(' ');
  return text.substr(0, last == text.npos ? 0 : last + 1);
}

/// One pass over the lines, a function for each kind of block; all return false for what is not plain.
class Reader {
 public:
  Reader(std::string_view text, std::string_view file) : rest_(text), file_(file) {}

  std::optional<std::vector<YamlDocument>> run() {
    if (!next()) return std::nullopt;
    while (!at_end_) {
      if (text_ == "---" && indent_ == 0) {
        if (!next()) return std::nullopt;
        continue;
      }
      if (!document()) return std::nullopt;
    }
    return std::move(documents_);
  }

 private:
  /// Goes to the next line that says something.
  bool next() {
    while (!rest_.empty()) {
      auto end = rest_.find('\n');
      auto line = rest_.substr(0, end);
      rest_ = end == rest_.npos ? std::string_view() : rest_.substr(end + 1);
      ++number_;
      if (std::ranges::any_of(line, [](char c) { return c < ' ' || c > '~'; })) return false;
      auto first = line.find_first_not_of(' ');
      if (first == line.npos || line[first] == '#') continue;
      indent_ = first;
      text_ = without_spaces_behind(line.substr(first));
      return true;
    }
    at_end_ = true;
    return true;
  }

  bool ends_document() const { return at_end_ || (indent_ == 0 && text_ == "---"); }
  bool is_item() const { return text_.starts_with("- "); }
  bool is_below(size_t indent) const { return ends_document() || indent_ < indent; }

  bool document() {
    YamlDocument out;
    out.file = file_;
    out.line = number_;
    lines_ = &out.lines;
    path_.clear();
    if (!block(out.value, 0) || !ends_document()) return false;
    std::ranges::sort(out.lines);
    documents_.push_back(std::move(out));
    return true;
  }

  bool block(json::value& out, size_t depth) {
    if (depth > kMaxDepth) return false;
    return is_item() ? list(out.emplace_array(), indent_, depth)
                     : mapping(out.emplace_object(), indent_, depth);
  }

  bool list(json::array& out, size_t indent, size_t depth) {
    size_t above = path_.size();
    while (!is_below(indent) && indent_ == indent && is_item()) {
      append_index(path_, out.size());
      lines_->emplace_back(path_, number_);
      auto content = text_.find_first_not_of(' ', 1);
      indent_ += content;
      text_.remove_prefix(content);
      // What stands behind the dash is a block of its own that begins there, or a scalar.
      bool nested = is_item() || key_size(text_) > 0;
      auto& value = out.emplace_back(nullptr);
      if (nested ? !block(value, depth + 1) : !scalar(text_, value) || !next()) return false;
      path_.resize(above);
    }
    return is_below(indent) || (indent_ == indent && !is_item());
  }

  bool mapping(json::object& out, size_t indent, size_t depth) {
    size_t above = path_.size();
    while (!is_below(indent) && indent_ == indent && !is_item()) {
      size_t size = key_size(text_);
      if (size == 0) return false;
      auto key = text_.substr(0, size);
      auto [at, is_new] = out.emplace(key, nullptr);
      if (!is_new) return false;
      append_key(path_, key);
      lines_->emplace_back(path_, number_);
      if (!member(text_.substr(size + 1), at->value(), indent, depth)) return false;
      path_.resize(above);
    }
    return is_below(indent);
  }

  /// What stands behind a key and its colon, and below it.
  bool member(std::string_view text, json::value& out, size_t indent, size_t depth) {
    auto first = text.find_first_not_of(' ');
    if (first != text.npos && text[first] != '#')
      return scalar(text.substr(first), out) && next() && ends(indent);
    if (!next()) return false;
    if (ends_document() || indent_ < indent) return true;
    // A list may stand where its key does.
    if (indent_ > indent || is_item()) {
      bool beside = indent_ == indent;
      return block(out, depth + 1) && (beside || ends(indent));
    }
    return true;
  }

  /// Nothing stands deeper than a member that is over.
  bool ends(size_t indent) const { return ends_document() || indent_ <= indent; }

  /// Of a plain key that is a string and is followed by a colon; 0: there is none.
  static size_t key_size(std::string_view text) {
    if (text.empty() || !is_word(text.front())) return 0;
    size_t size = 0;
    while (size < text.size() && is_in_key(text[size])) ++size;
    bool ends = size < text.size() && text[size] == ':' && (size + 1 == text.size() || text[size + 1] == ' ');
    if (!ends || size > 128) return 0;
    auto value = plain_scalar(text.substr(0, size));
    return value && value->is_string() ? size : 0;
  }

  static bool scalar(std::string_view text, json::value& out) {
    if (text == "{}" || text == "[]") {
      if (text == "{}")
        out.emplace_object();
      else
        out.emplace_array();
      return true;
    }
    if (text.front() == '"' || text.front() == '\'') return quoted(text, out);
    if (auto comment = text.find(" #"); comment != text.npos)
      text = without_spaces_behind(text.substr(0, comment));
    bool dash = text.size() > 1 && text[0] == '-' && text[1] != ' ';
    if (!is_word(text.front()) && !dash && !std::string_view(".+$(").contains(text.front())) return false;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] == ':' && (i + 1 == text.size() || text[i + 1] == ' ')) return false;
    }
    auto value = plain_scalar(text);
    if (!value) return false;
    out = std::move(*value);
    return true;
  }

  /// Without anything that stands for something else.
  static bool quoted(std::string_view text, json::value& out) {
    char quote = text.front();
    if (text.size() < 2 || text.back() != quote) return false;
    text = text.substr(1, text.size() - 2);
    if (text.find(quote) != text.npos || text.find('\\') != text.npos) return false;
    out = text;
    return true;
  }

  std::string_view rest_, file_;
  bool at_end_ = false;
  // The line that is being read, without what was taken off its front.
  std::string_view text_;
  size_t indent_ = 0;
  int number_ = 0;

  std::vector<YamlDocument> documents_;
  std::vector<std::pair<std::string, int>>* lines_ = nullptr;
  std::string path_;
};

}  // namespace

std::optional<std::vector<YamlDocument>> read_block_yaml(std::string_view text, std::string_view file) {
  return Reader(text, file).run();
}

}  // namespace weft::kube
