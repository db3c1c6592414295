#include "probe/probe.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

namespace weft::probe {
namespace {

constexpr std::array kResults = {"connected", "refused", "timed out", "unreachable", "no name", "failed"};

json::array texts(const std::vector<IpAddr>& addresses) {
  json::array out;
  for (const auto& address : addresses) out.emplace_back(address.str());
  return out;
}

std::vector<IpAddr> addresses_in(const json::value& value, std::string_view member) {
  std::vector<IpAddr> out;
  const auto* list = kube::member(value, member);
  if (!list || !list->is_array()) return out;
  for (const auto& one : list->get_array()) {
    auto address = one.is_string() ? IpAddr::parse(one.get_string()) : std::nullopt;
    if (address) out.push_back(*address);
  }
  return out;
}

int64_t number_in(const json::value& value, std::string_view member) {
  const auto* found = kube::member(value, member);
  return found && found->is_int64() ? found->get_int64() : 0;
}

std::string text_in(const json::value& value, std::string_view member) {
  return std::string(kube::string_at(value, member));
}

json::object to_json(const HttpAsk& http) {
  json::array headers;
  for (const auto& [name, value] : http.headers) headers.push_back(json::array{name, value});
  return {{"tls", http.tls},
          {"method", http.method},
          {"path", http.path},
          {"host", http.host},
          {"headers", std::move(headers)}};
}

HttpAsk http_of(const json::value& value) {
  HttpAsk out{.tls = false,
              .method = text_in(value, "method"),
              .path = text_in(value, "path"),
              .host = text_in(value, "host"),
              .headers = {}};
  const auto* tls = kube::member(value, "tls");
  out.tls = tls && tls->is_bool() && tls->get_bool();
  const auto* headers = kube::member(value, "headers");
  if (!headers || !headers->is_array()) return out;
  for (const auto& one : headers->get_array()) {
    if (!one.is_array() || one.get_array().size() != 2) continue;
    const auto &name = one.get_array()[0], &content = one.get_array()[1];
    if (name.is_string() && content.is_string())
      out.headers.emplace_back(name.get_string(), content.get_string());
  }
  return out;
}

}  // namespace

std::string_view name_of(Result result) { return kResults.at(static_cast<size_t>(result)); }

std::string Observed::str() const {
  std::string out(name_of(result));
  if (result == Result::timed_out)
    out += stage == "name"     ? " while asking for the name"
           : stage == "answer" ? " after it was connected"
                               : "";
  if (!detail.empty()) out += fmt::format(" ({})", detail);
  if (status != 0) out += fmt::format(", HTTP {}", status);
  if (!location.empty()) out += " to " + location;
  if (!pod.empty()) out += ", Pod " + pod;
  if (peer || address)
    out += fmt::format("{}{}", pod.empty() ? ", " : " at ", (peer ? *peer : *address).str());
  return out + fmt::format(", {} {:.0f} ms", result == Result::connected ? "in" : "after", seconds * 1000);
}

json::object Observed::to_json() const {
  json::object out{{"result", name_of(result)}, {"stage", stage}, {"seconds", seconds}};
  if (!detail.empty()) out["detail"] = detail;
  if (status != 0) out["status"] = status;
  if (!location.empty()) out["location"] = location;
  if (!addresses.empty()) out["addresses"] = texts(addresses);
  if (address) out["address"] = address->str();
  if (peer) out["peer"] = peer->str();
  if (!pod.empty()) out["pod"] = pod;
  return out;
}

json::value to_json(const Ask& ask) {
  json::object out{{"host", ask.host},        {"addresses", texts(ask.addresses)},
                   {"port", ask.port},        {"protocol", ask.protocol},
                   {"from", texts(ask.from)}, {"patience", ask.patience.count()}};
  if (ask.http) out["http"] = to_json(*ask.http);
  return out;
}

Expected<Ask> ask_of(const json::value& value) {
  if (!value.is_object()) return fail(ErrorCode::invalid, "a probe is no object");
  Ask out{.host = text_in(value, "host"),
          .addresses = addresses_in(value, "addresses"),
          .port = static_cast<uint16_t>(number_in(value, "port")),
          .protocol = static_cast<uint8_t>(number_in(value, "protocol")),
          .http = {},
          .from = addresses_in(value, "from"),
          .patience = std::chrono::milliseconds(number_in(value, "patience"))};
  if (const auto* http = kube::member(value, "http")) out.http = http_of(*http);
  return out;
}

Expected<Observed> observed_of(const json::value& value) {
  auto name = kube::string_at(value, "result");
  auto at = std::ranges::find(kResults, name);
  if (at == kResults.end()) return fail(ErrorCode::invalid, "a probe has no result");
  Observed out{.result = static_cast<Result>(at - kResults.begin()),
               .stage = text_in(value, "stage"),
               .detail = text_in(value, "detail"),
               .status = static_cast<int>(number_in(value, "status")),
               .location = text_in(value, "location"),
               .addresses = addresses_in(value, "addresses"),
               .address = IpAddr::parse(kube::string_at(value, "address")),
               .peer = IpAddr::parse(kube::string_at(value, "peer")),
               .pod = text_in(value, "pod"),
               .seconds = 0};
  const auto* seconds = kube::member(value, "seconds");
  if (seconds && seconds->is_number()) out.seconds = seconds->to_number<double>();
  return out;
}

}  // namespace weft::probe
