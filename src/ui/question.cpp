#include "ui/question.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/text.h"
#include "policy/rules.h"
#include "trace/walk.h"

namespace weft::ui {
namespace {

std::string text_of(const json::value& question, const char* name, const char* otherwise) {
  auto text = kube::string_at(question, name);
  return std::string(text.empty() ? std::string_view(otherwise) : text);
}

Expected<void> read_port(const json::value& question, trace::Request& out) {
  const auto* port = kube::member(question, "port");
  if (!port || port->is_null()) return {};
  boost::system::error_code error;
  auto number = port->to_number<uint16_t>(error);
  if (error || number == 0) return fail(ErrorCode::invalid, "port: expected a number from 1 to 65535");
  out.port = number;
  return {};
}

Expected<void> read_headers(const json::value& question, trace::Request& out) {
  const auto* headers = kube::member(question, "headers");
  if (!headers || !headers->is_array()) return {};
  for (const auto& header : headers->get_array()) {
    const bool pair = header.is_array() && header.get_array().size() == 2 &&
                      header.get_array()[0].is_string() && header.get_array()[1].is_string();
    if (!pair) return fail(ErrorCode::invalid, "headers: expected pairs of a name and a value");
    out.headers.emplace_back(lower(header.get_array()[0].get_string()),
                             std::string(header.get_array()[1].get_string()));
  }
  return {};
}

}  // namespace

Expected<trace::Trace> ask(const trace::World& world, const json::value& question) {
  const auto ns = text_of(question, "namespace", "default");
  trace::Request request;
  request.method = text_of(question, "method", "GET");
  auto protocol = text_of(question, "protocol", "tcp");
  std::ranges::transform(protocol, protocol.begin(), [](unsigned char c) { return std::toupper(c); });
  auto number = policy::protocol_number(protocol);
  if (!number) return fail(ErrorCode::invalid, fmt::format("protocol: {} is none that is known", protocol));
  request.protocol = *number;
  WEFT_CHECK(read_port(question, request));
  WEFT_CHECK(read_headers(question, request));
  WEFT_TRY(auto sources, trace::parse_source(world, text_of(question, "from", ""), ns));
  WEFT_TRY(auto to, trace::parse_destination(world, text_of(question, "to", ""), ns));
  // A URL's port is not to be contradicted by one that was left in the field.
  if (!to.scheme.empty()) request.port.reset();
  return trace::trace_connection(world, sources, to, request);
}

}  // namespace weft::ui
