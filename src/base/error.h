#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace weft {

/// What kind of failure an Error is. The first block maps one to one to the `reason` of a Kubernetes Status.
enum class ErrorCode {
  bad_request,
  unauthorized,
  forbidden,
  not_found,
  method_not_allowed,
  not_acceptable,
  already_exists,
  conflict,
  gone,     ///< also "Expired": a resourceVersion or continue token that is too old
  invalid,  ///< a value that the field's rules refuse; `message` starts with the field path
  too_large,
  unsupported_media_type,
  too_many_requests,
  timeout,
  unavailable,

  exhausted,  ///< an address pool, map or table has no room left
  system,     ///< a system call failed; `message` carries errno's text
  internal,
};

/// One failure, in one clear line: what, where, why, and what to do about it.
struct Error {
  ErrorCode code = ErrorCode::internal;
  std::string message;
};

template <class T>
using Expected = std::expected<T, Error>;

/// For `return fail(ErrorCode::invalid, "spec.ports[0].port: …");` in a function that returns Expected<T>.
inline std::unexpected<Error> fail(ErrorCode code, std::string message) {
  return std::unexpected(Error{code, std::move(message)});
}

/// For a failed system call: `what` is the call and its object, `err` the value of errno.
std::unexpected<Error> fail_errno(std::string_view what, int err);

/// The same error with "`where`: " put before its message.
std::unexpected<Error> in_context(std::string_view where, Error error);

}  // namespace weft

/// Evaluates an Expected; on failure returns its error from the enclosing function (which returns some
/// Expected).
#define WEFT_TRY(declaration, expression) \
  WEFT_TRY_IMPL_(declaration, expression, WEFT_CONCAT_(weft_try_, __LINE__))
#define WEFT_TRY_IMPL_(declaration, expression, name)         \
  auto name = (expression);                                   \
  if (!name) return std::unexpected(std::move(name).error()); \
  declaration = std::move(*name)
/// The same for Expected<void>.
#define WEFT_CHECK(expression) \
  if (auto weft_check_ = (expression); !weft_check_) return std::unexpected(std::move(weft_check_).error())
/// The same two inside a coroutine.
#define WEFT_CO_TRY(declaration, expression) \
  WEFT_CO_TRY_IMPL_(declaration, expression, WEFT_CONCAT_(weft_try_, __LINE__))
#define WEFT_CO_TRY_IMPL_(declaration, expression, name)         \
  auto name = (expression);                                      \
  if (!name) co_return std::unexpected(std::move(name).error()); \
  declaration = std::move(*name)
#define WEFT_CO_CHECK(expression) \
  if (auto weft_check_ = (expression); !weft_check_) co_return std::unexpected(std::move(weft_check_).error())
#define WEFT_CONCAT_(a, b) WEFT_CONCAT_2_(a, b)
#define WEFT_CONCAT_2_(a, b) a##b
