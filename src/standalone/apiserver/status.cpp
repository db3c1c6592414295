#include "standalone/apiserver/status.h"

namespace weft::standalone {

namespace {

struct Row {
  ErrorCode code;
  int http;
  const char* reason;
};

const Row& row_of(ErrorCode code) {
  static constexpr Row kRows[] = {
      {ErrorCode::bad_request, 400, "BadRequest"},
      {ErrorCode::unauthorized, 401, "Unauthorized"},
      {ErrorCode::forbidden, 403, "Forbidden"},
      {ErrorCode::not_found, 404, "NotFound"},
      {ErrorCode::method_not_allowed, 405, "MethodNotAllowed"},
      {ErrorCode::not_acceptable, 406, "NotAcceptable"},
      {ErrorCode::already_exists, 409, "AlreadyExists"},
      {ErrorCode::conflict, 409, "Conflict"},
      {ErrorCode::gone, 410, "Expired"},
      {ErrorCode::invalid, 422, "Invalid"},
      {ErrorCode::exhausted, 422, "Invalid"},
      {ErrorCode::too_large, 413, "RequestEntityTooLarge"},
      {ErrorCode::unsupported_media_type, 415, "UnsupportedMediaType"},
      {ErrorCode::too_many_requests, 429, "TooManyRequests"},
      {ErrorCode::timeout, 504, "Timeout"},
      {ErrorCode::unavailable, 503, "ServiceUnavailable"},
      {ErrorCode::internal, 500, "InternalError"},
  };
  for (const auto& row : kRows) {
    if (row.code == code) return row;
  }
  return kRows[std::size(kRows) - 1];
}

}  // namespace

int http_status(ErrorCode code) { return row_of(code).http; }

json::object make_status(const ApiFailure& failure) {
  const auto& [error, details] = failure;
  const auto& row = row_of(error.code);
  json::object out{{"kind", "Status"},    {"apiVersion", "v1"},       {"metadata", json::object()},
                   {"status", "Failure"}, {"message", error.message}, {"reason", row.reason}};
  json::object more;
  if (!details.name.empty()) more["name"] = details.name;
  if (!details.group.empty()) more["group"] = details.group;
  if (!details.kind.empty()) more["kind"] = details.kind;
  json::array causes;
  for (const auto& cause : details.causes) {
    causes.push_back({{"reason", cause.reason}, {"message", cause.message}, {"field", cause.field}});
  }
  if (!causes.empty()) more["causes"] = std::move(causes);
  if (!more.empty()) out["details"] = std::move(more);
  out["code"] = row.http;
  return out;
}

}  // namespace weft::standalone
