#include "ui/gate.h"

#include <fmt/core.h>
#include <sys/random.h>

#include <array>
#include <cstdlib>
#include <string_view>

#include "ui/query.h"

namespace weft::ui {
namespace {

/// Takes as long whatever differs.
bool is_same(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (size_t i = 0; i < a.size(); ++i)
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  return difference == 0;
}

}  // namespace

std::string make_token() {
  std::array<unsigned char, 32> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) std::abort();
  std::string out;
  for (auto byte : bytes) out += fmt::format("{:02x}", byte);
  return out;
}

/// A name that leads here by somebody else's DNS is none of ours.
bool Gate::names_this(const http::Request& request) const {
  return request.host == fmt::format("127.0.0.1:{}", port_) ||
         request.host == fmt::format("localhost:{}", port_);
}

bool Gate::has_token_in_url(const http::Request& request) const {
  if (request.path != "/" || request.method == "POST") return false;
  for (const auto& [name, value] : parse_query(request.query)) {
    if (name == "token") return is_same(value, token_);
  }
  return false;
}

std::string Gate::cookie_name() const { return fmt::format("weft-ui-{}", port_); }

bool Gate::has_cookie(const http::Request& request) const {
  const auto name = cookie_name() + "=";
  for (std::string_view rest = request.cookie; !rest.empty();) {
    auto end = std::min(rest.find(';'), rest.size());
    auto one = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    one.remove_prefix(std::min(one.find_first_not_of(' '), one.size()));
    if (one.starts_with(name) && is_same(one.substr(name.size()), token_)) return true;
  }
  return false;
}

std::optional<http::Answer> Gate::refuse(const http::Request& request) const {
  if (!names_this(request))
    return http::Answer{.status = 421,
                        .headers = {},
                        .body = fmt::format("this is 127.0.0.1:{} and has no other name\n", port_)};
  if (has_token_in_url(request) || has_cookie(request)) return std::nullopt;
  return http::Answer{
      .status = 401, .headers = {}, .body = "open the URL that weft ui has printed: it has the token\n"};
}

void Gate::let_in(const http::Request& request, http::Answer& answer) const {
  if (!has_token_in_url(request)) return;
  answer.headers.emplace_back("Set-Cookie",
                              fmt::format("{}={}; Path=/; HttpOnly; SameSite=Strict", cookie_name(), token_));
}

std::string Gate::url() const { return fmt::format("http://127.0.0.1:{}/?token={}", port_, token_); }

}  // namespace weft::ui
