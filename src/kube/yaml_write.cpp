#include <algorithm>

#include "kube/yaml.h"
#include "kube/yaml_scalar.h"

namespace weft::kube {
namespace {

bool is_plain_safe(std::string_view text) {
  constexpr std::string_view kIndicators = "-?:,[]{}#&*!|>'\"%@` ";
  if (text.empty() || kIndicators.find(text.front()) != std::string_view::npos || text.back() == ' ' ||
      text.back() == ':') {
    return false;
  }
  if (text.find(": ") != std::string_view::npos || text.find(" #") != std::string_view::npos) return false;
  if (text.starts_with("...") || text == "<<" || text == "=") return false;
  if (std::ranges::any_of(text, [](char c) { return c < 0x20 || c == 0x7f; })) return false;
  auto value = plain_scalar(text);
  return value && value->is_string();
}

/// Fit for a literal block: lines of printable text, of which none is only blanks, the first not indented.
bool is_block_safe(std::string_view text) {
  if (text.find('\n') == std::string_view::npos || text.front() == ' ' || text.front() == '\n') return false;
  if (text.find(" \n") != std::string_view::npos || text.back() == ' ') return false;
  return std::ranges::none_of(text, [](char c) { return (c >= 0 && c < 0x20 && c != '\n') || c == 0x7f; });
}

class Writer {
 public:
  std::string take() { return std::move(out_); }

  /// The value after "KEY:" or at the start of the stream, with its line break. `indent` is that of what it
  /// holds.
  void write(const json::value& value, size_t indent) {
    if (const auto* object = value.if_object(); object && !object->empty()) {
      bool first = start_collection();
      for (const auto& [key, element] : *object) {
        pad(first ? 0 : indent);
        first = false;
        write_key({key.data(), key.size()}, indent);
        out_ += ':';
        write(element, element.is_array() ? indent : indent + 2);
      }
    } else if (const auto* list = value.if_array(); list && !list->empty()) {
      bool first = start_collection();
      for (const auto& element : *list) {
        pad(first ? 0 : indent);
        first = false;
        out_ += '-';
        after_dash_ = true;
        write(element, indent + 2);
      }
    } else {
      if (!out_.empty()) out_ += ' ';
      after_dash_ = false;
      write_scalar(value, indent);
    }
  }

 private:
  /// A collection stands right after a dash, or on lines of its own; true when its first line has begun.
  bool start_collection() {
    bool inside = after_dash_ || out_.empty();
    if (after_dash_) out_ += ' ';
    if (!inside) out_ += '\n';
    after_dash_ = false;
    return inside;
  }

  void pad(size_t indent) { out_.append(indent, ' '); }

  /// A long one stands on a line of its own (YAML 1.2, 7.4.2: 1,024 characters before the colon).
  void write_key(std::string_view key, size_t indent) {
    constexpr size_t kLongest = 1024;
    auto text = is_plain_safe(key) ? std::string(key) : json::serialize(key);
    if (text.size() < kLongest) {
      out_ += text;
      return;
    }
    out_ += "? " + text + '\n';
    pad(indent);
  }

  void write_scalar(const json::value& value, size_t indent) {
    const auto* string = value.if_string();
    std::string_view text = string ? std::string_view(string->data(), string->size()) : std::string_view{};
    if (!string) {
      out_ += json::serialize(value);
    } else if (is_plain_safe(text)) {
      out_ += text;
    } else if (is_block_safe(text)) {
      write_block(text, indent);
      return;
    } else {
      out_ += json::serialize(text);
    }
    out_ += '\n';
  }

  void write_block(std::string_view text, size_t indent) {
    bool ends = text.back() == '\n';
    bool several = text.ends_with("\n\n");
    out_ += several ? "|+\n" : ends ? "|\n" : "|-\n";
    if (ends) text.remove_suffix(1);
    while (true) {
      auto end = text.find('\n');
      auto line = text.substr(0, end);
      if (!line.empty()) pad(std::max<size_t>(indent, 2));
      out_.append(line) += '\n';
      if (end == std::string_view::npos) return;
      text.remove_prefix(end + 1);
    }
  }

  std::string out_;
  bool after_dash_ = false;
};

}  // namespace

std::string to_yaml(const json::value& value) {
  Writer writer;
  writer.write(value, 0);
  return writer.take();
}

}  // namespace weft::kube
