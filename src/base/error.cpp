#include "base/error.h"

#include <fmt/core.h>

#include <system_error>

namespace weft {

std::unexpected<Error> fail_errno(std::string_view what, int err) {
  return fail(ErrorCode::system, fmt::format("{}: {}", what, std::generic_category().message(err)));
}

std::unexpected<Error> in_context(std::string_view where, Error error) {
  error.message = fmt::format("{}: {}", where, error.message);
  return std::unexpected(std::move(error));
}

}  // namespace weft
