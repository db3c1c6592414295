#include "gateway/route/cors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

namespace weft::gateway {
namespace {

struct Origin {
  std::string_view scheme;
  std::string_view host;
  std::string_view port;
};

Origin parse_origin(std::string_view text) {
  size_t colon = text.find("://");
  if (colon == text.npos) return {};
  Origin origin{.scheme = text.substr(0, colon), .host = text.substr(colon + 3)};
  if (size_t at = origin.host.rfind(':'); at != text.npos && origin.host.find(']', at) == text.npos) {
    origin.port = origin.host.substr(at + 1);
    origin.host = origin.host.substr(0, at);
  } else {
    origin.port = origin.scheme == "https" ? "443" : "80";
  }
  return origin;
}

bool same_letters(std::string_view a, std::string_view b) {
  auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

bool takes(std::string_view allowed_text, std::string_view origin_text) {
  if (allowed_text == "*") return true;
  Origin allowed = parse_origin(allowed_text);
  Origin origin = parse_origin(origin_text);
  if (origin.host.empty() || allowed.scheme != origin.scheme || allowed.port != origin.port) return false;
  if (!allowed.host.starts_with('*')) return same_letters(allowed.host, origin.host);
  std::string_view suffix = allowed.host.substr(1);
  return origin.host.size() > suffix.size() &&
         same_letters(suffix, origin.host.substr(origin.host.size() - suffix.size()));
}

bool is_any(const std::vector<std::string>& list) { return std::ranges::find(list, "*") != list.end(); }

std::string_view value_of(const Fields& fields, std::string_view name) {
  const Field* field = fields.find(name);
  return field ? field->value : std::string_view();
}

/// `list`, or for "*" what the request asks for: right with and without credentials, where a literal "*"
/// would leave out the Authorization header.
void put_list(std::string_view name, const std::vector<std::string>& list, std::string_view asked,
              ResponseHead& answer, Arena& arena) {
  if (!is_any(list)) {
    if (!list.empty()) answer.fields.set(name, arena.keep(fmt::format("{}", fmt::join(list, ", "))));
  } else if (!asked.empty()) {
    answer.fields.set(name, arena.keep(asked));
  }
}

/// False: the origin is not allowed.
bool put_origin(const Cors& cors, std::string_view origin, ResponseHead& answer, Arena& arena) {
  bool any = is_any(cors.allow_origins) && !cors.allow_credentials;
  if (!any) answer.fields.add("vary", "Origin");
  if (origin.empty() || !allows_origin(cors, origin)) return false;
  answer.fields.set("access-control-allow-origin", any ? "*" : arena.keep(origin));
  if (cors.allow_credentials) answer.fields.set("access-control-allow-credentials", "true");
  return true;
}

}  // namespace

bool allows_origin(const Cors& cors, std::string_view origin) {
  return std::ranges::any_of(cors.allow_origins, [&](const auto& allowed) { return takes(allowed, origin); });
}

bool is_preflight(const RequestHead& request) {
  return request.method == "OPTIONS" && request.fields.find("origin") &&
         request.fields.find("access-control-request-method");
}

void answer_preflight(const Cors& cors, const RequestHead& request, ResponseHead& answer, Arena& arena) {
  answer.status = 403;
  if (!put_origin(cors, value_of(request.fields, "origin"), answer, arena)) return;
  answer.status = 204;
  put_list("access-control-allow-methods", cors.allow_methods,
           value_of(request.fields, "access-control-request-method"), answer, arena);
  put_list("access-control-allow-headers", cors.allow_headers,
           request.fields.joined("access-control-request-headers", arena), answer, arena);
  put_list("access-control-expose-headers", cors.expose_headers, cors.allow_credentials ? "" : "*", answer,
           arena);
  answer.fields.set("access-control-max-age", arena.keep(fmt::format("{}", cors.max_age_seconds)));
}

void allow_response(const Cors& cors, const RequestHead& request, ResponseHead& response, Arena& arena) {
  for (std::string_view name :
       {"access-control-allow-origin", "access-control-allow-credentials", "access-control-expose-headers"})
    response.fields.remove(name);
  // With credentials "*" is the name of a header, so that all have to be named.
  std::string names = "*";
  if (cors.allow_credentials && is_any(cors.expose_headers)) {
    std::vector<std::string_view> all;
    for (const Field& field : response.fields)
      if (std::ranges::find(all, field.name) == all.end()) all.push_back(field.name);
    names = fmt::format("{}", fmt::join(all, ", "));
  }
  if (!put_origin(cors, value_of(request.fields, "origin"), response, arena)) return;
  put_list("access-control-expose-headers", cors.expose_headers, names, response, arena);
}

}  // namespace weft::gateway
