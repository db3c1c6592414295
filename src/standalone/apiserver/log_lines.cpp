#include "standalone/apiserver/log_lines.h"

namespace weft::standalone {
namespace {

/// Takes the text up to the next space off `entry`.
std::string_view take_word(std::string_view& entry) {
  auto space = entry.find(' ');
  auto word = entry.substr(0, space);
  entry.remove_prefix(space == std::string_view::npos ? entry.size() : space + 1);
  return word;
}

bool is_partial(std::string_view entry) {
  take_word(entry);
  take_word(entry);
  return take_word(entry) == "P";
}

}  // namespace

void LogFilter::line(std::string_view entry, std::string& out) {
  auto time = take_word(entry);
  take_word(entry);
  bool partial = take_word(entry) == "P";
  bool begins = !continued_;
  continued_ = partial;
  if (options_.since) {
    auto when = kube::parse_time(time);
    if (when && *when < *options_.since) return;
  }
  std::string text;
  if (options_.timestamps && begins) text.append(time).append(" ");
  text.append(entry);
  if (!partial) text += '\n';
  if (options_.limit_bytes) text.resize(std::min<uint64_t>(text.size(), *options_.limit_bytes - written_));
  written_ += text.size();
  out += text;
}

std::string LogFilter::feed(std::string_view bytes) {
  std::string out;
  rest_.append(bytes);
  size_t from = 0;
  for (size_t end = 0; (end = rest_.find('\n', from)) != std::string::npos && !full(); from = end + 1) {
    line(std::string_view(rest_).substr(from, end - from), out);
  }
  rest_.erase(0, from);
  return out;
}

size_t tail_offset(std::string_view log, uint64_t lines) {
  if (lines == 0) return log.size();
  size_t at = log.size();
  uint64_t seen = 0;
  while (at > 0) {
    // `at` is just behind a line's end.
    auto before = at >= 2 ? log.rfind('\n', at - 2) : std::string_view::npos;
    size_t begin = before == std::string_view::npos ? 0 : before + 1;
    bool partial = is_partial(log.substr(begin, at - begin));
    if (!partial && seen++ == lines) return at;
    at = begin;
  }
  return 0;
}

}  // namespace weft::standalone
