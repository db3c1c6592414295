#include "kube/client/status_error.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

namespace weft::kube {

namespace {

ErrorCode code_of(int http_status, std::string_view reason) {
  static constexpr std::array<std::pair<std::string_view, ErrorCode>, 16> kReasons{{
      {"BadRequest", ErrorCode::bad_request},
      {"Unauthorized", ErrorCode::unauthorized},
      {"Forbidden", ErrorCode::forbidden},
      {"NotFound", ErrorCode::not_found},
      {"MethodNotAllowed", ErrorCode::method_not_allowed},
      {"AlreadyExists", ErrorCode::already_exists},
      {"Conflict", ErrorCode::conflict},
      {"Gone", ErrorCode::gone},
      {"Expired", ErrorCode::gone},
      {"Invalid", ErrorCode::invalid},
      {"RequestEntityTooLarge", ErrorCode::too_large},
      {"UnsupportedMediaType", ErrorCode::unsupported_media_type},
      {"TooManyRequests", ErrorCode::too_many_requests},
      {"Timeout", ErrorCode::timeout},
      {"ServerTimeout", ErrorCode::timeout},
      {"ServiceUnavailable", ErrorCode::unavailable},
  }};
  for (const auto& [name, code] : kReasons) {
    if (name == reason) return code;
  }
  switch (http_status) {
    case 400:
      return ErrorCode::bad_request;
    case 401:
      return ErrorCode::unauthorized;
    case 403:
      return ErrorCode::forbidden;
    case 404:
      return ErrorCode::not_found;
    case 405:
      return ErrorCode::method_not_allowed;
    case 409:
      return ErrorCode::conflict;
    case 410:
      return ErrorCode::gone;
    case 413:
      return ErrorCode::too_large;
    case 415:
      return ErrorCode::unsupported_media_type;
    case 422:
      return ErrorCode::invalid;
    case 429:
      return ErrorCode::too_many_requests;
    case 503:
      return ErrorCode::unavailable;
    case 504:
      return ErrorCode::timeout;
    default:
      return ErrorCode::internal;
  }
}

}  // namespace

Error status_error(int http_status, const json::value& status, std::string_view request) {
  auto message = std::string(string_at(status, "message"));
  if (message.empty()) message = fmt::format("{}: HTTP {}", request, http_status);
  if (status.is_string()) {
    std::string_view text = status.get_string();
    message += fmt::format(": {}", text.substr(0, std::min<size_t>(text.find_first_of("\r\n"), 200)));
  }
  return {code_of(http_status, string_at(status, "reason")), std::move(message)};
}

}  // namespace weft::kube
