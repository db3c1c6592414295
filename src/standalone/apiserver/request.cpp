#include "standalone/apiserver/request.h"

#include <fmt/core.h>

namespace weft::standalone {

namespace {

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> unescape(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      if (i + 2 >= text.size() || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0) return std::nullopt;
      out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    }
  }
  return out;
}

/// Calls `visit` for each part between separators, until it returns false.
template <class Visit>
bool split(std::string_view text, char separator, Visit visit) {
  while (true) {
    auto end = text.find(separator);
    if (!visit(text.substr(0, end))) return false;
    if (end == std::string_view::npos) return true;
    text.remove_prefix(end + 1);
  }
}

std::string_view trim(std::string_view text) {
  auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool parse_query(std::string_view text, ApiRequest& out) {
  return split(text, '&', [&](std::string_view pair) {
    if (pair.empty()) return true;
    auto equals = pair.find('=');
    auto name = unescape(pair.substr(0, equals), true);
    auto value = unescape(equals == std::string_view::npos ? "" : pair.substr(equals + 1), true);
    if (!name || !value) return false;
    if (*name == "command") out.commands.push_back(*value);
    out.query[*name] = std::move(*value);
    return true;
  });
}

/// One media range of an Accept header, if it is one the server can send.
std::optional<Accept::Form> form_of(std::string_view range) {
  std::string_view media, as;
  bool first = true;
  split(range, ';', [&](std::string_view part) {
    part = trim(part);
    if (first) media = part;
    first = false;
    if (part.starts_with("as=")) as = part.substr(3);
    return true;
  });
  if (media != "application/json" && media != "application/*" && media != "*/*") return std::nullopt;
  if (as == "Table") return Accept::Form::table;
  if (as == "PartialObjectMetadata") return Accept::Form::partial_metadata;
  if (as == "PartialObjectMetadataList") return Accept::Form::partial_metadata_list;
  if (as == "APIGroupDiscoveryList") return Accept::Form::discovery;
  if (!as.empty()) return std::nullopt;
  return Accept::Form::plain;
}

}  // namespace

Expected<void> parse_target(std::string_view target, ApiRequest& out) {
  auto bad = [&] {
    return fail(ErrorCode::bad_request, fmt::format("malformed request target \"{}\"", target));
  };
  if (!target.starts_with('/')) return bad();
  auto mark = target.find('?');
  auto path = target.substr(1, mark == std::string_view::npos ? mark : mark - 1);
  if (mark != std::string_view::npos && !parse_query(target.substr(mark + 1), out)) return bad();
  if (path.ends_with('/')) path.remove_suffix(1);
  if (path.empty()) return {};
  bool ok = split(path, '/', [&](std::string_view segment) {
    auto plain = unescape(segment, false);
    if (!plain || plain->empty() || *plain == "." || *plain == ".." ||
        plain->find('/') != std::string::npos || plain->find('\0') != std::string::npos) {
      return false;
    }
    out.path.push_back(std::move(*plain));
    return true;
  });
  if (!ok) return bad();
  return {};
}

Accept parse_accept(std::string_view header) {
  if (trim(header).empty()) return {};
  // Clients list what they want first to last; q values are not used by any Kubernetes client.
  Accept accept{.acceptable = false};
  split(header, ',', [&](std::string_view range) {
    auto form = form_of(range);
    if (!form) return true;
    accept = {*form, true};
    return false;
  });
  return accept;
}

}  // namespace weft::standalone
