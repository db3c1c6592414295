#include "gateway/route/failure.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace weft::gateway {
namespace {

/// gRPC's "HTTP to gRPC Status Code Mapping", but for 500: that is a backend reference that is not valid,
/// which GRPCRoute wants to be UNAVAILABLE.
int grpc_status(uint16_t status) {
  switch (status) {
    case 400:
      return 13;  // INTERNAL
    case 401:
      return 16;  // UNAUTHENTICATED
    case 403:
      return 7;  // PERMISSION_DENIED
    case 404:
      return 12;  // UNIMPLEMENTED
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
      return 14;  // UNAVAILABLE
    default:
      return 2;  // UNKNOWN
  }
}

/// As gRPC writes Status-Message: visible ASCII and spaces, all else and "%" escaped.
std::string escaped(std::string_view message) {
  std::string out;
  for (unsigned char c : message) {
    if (c >= 0x20 && c < 0x7f && c != '%')
      out += static_cast<char>(c);
    else
      out += fmt::format("%{:02X}", c);
  }
  return out;
}

}  // namespace

bool is_grpc(const RequestHead& request) {
  constexpr std::string_view kType = "application/grpc";
  const Field* type = request.fields.find("content-type");
  if (!type || !type->value.starts_with(kType)) return false;
  std::string_view rest = type->value.substr(kType.size());
  return rest.empty() || rest[0] == '+' || rest[0] == ';';
}

void answer_grpc(uint16_t status, std::string_view message, ResponseHead& answer, Arena& arena) {
  answer.status = 200;
  answer.fields.set("content-type", "application/grpc");
  answer.fields.set("grpc-status", arena.keep(fmt::format("{}", grpc_status(status))));
  answer.fields.set("grpc-message", arena.keep(escaped(message)));
}

std::optional<uint32_t> try_again_after(const Retry& retry, uint32_t done, uint16_t status, uint32_t random) {
  if (done >= retry.attempts) return std::nullopt;
  if (status != 0 && std::ranges::find(retry.codes, status) == retry.codes.end()) return std::nullopt;
  constexpr uint64_t kBackoff = 25;
  uint64_t factor = std::min<uint64_t>(uint64_t{1} << std::min(done, 4U), 10);
  if (retry.backoff == 0) return static_cast<uint32_t>(random % (kBackoff * factor + 1));
  uint64_t wait = retry.backoff * factor;
  wait += random % (retry.backoff / 4 + 1);
  return static_cast<uint32_t>(std::min<uint64_t>(wait, UINT32_MAX));
}

}  // namespace weft::gateway
