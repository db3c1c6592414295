#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/http/request.h"
#include "base/http/server.h"

/// Who may look at the page: whoever has its token, by a browser that was not led here under another name.
namespace weft::ui {

/// 256 bits that nobody guesses, as letters and digits.
std::string make_token();

class Gate {
 public:
  explicit Gate(std::string token) : token_(std::move(token)) {}

  /// Where it is, as soon as that is known.
  void set_port(uint16_t port) { port_ = port; }

  /// What an intruder is answered; nothing: it may go on. The token comes in a cookie, of the page itself
  /// ("/") also as "?token=…".
  std::optional<http::Answer> refuse(const http::Request& request) const;
  /// Gives the browser its cookie, if it has come with the token in its URL.
  void let_in(const http::Request& request, http::Answer& answer) const;
  /// What is to be opened.
  std::string url() const;

 private:
  bool names_this(const http::Request& request) const;
  bool has_token_in_url(const http::Request& request) const;
  bool has_cookie(const http::Request& request) const;
  /// Cookies do not know ports: another page on this machine has another one.
  std::string cookie_name() const;

  std::string token_;
  uint16_t port_ = 0;
};

}  // namespace weft::ui
