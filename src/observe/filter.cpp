#include "observe/filter.h"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <string_view>

namespace weft::observe {
namespace {

std::string_view text_at(const json::value& flow, const char* path) { return kube::string_at(flow, path); }

int64_t number_at(const json::value& value, const char* name) {
  const auto* found = kube::member(value, name);
  boost::system::error_code error;
  auto number = found ? found->to_number<int64_t>(error) : 0;
  return error ? 0 : number;
}

int64_t port_at(const json::value& flow, const char* side) {
  const auto* end = kube::member(flow, side);
  return end ? number_at(*end, "port") : 0;
}

using Fits = std::function<bool(const std::string&)>;
bool any(const std::vector<std::string>& wanted, const Fits& fits) {
  return wanted.empty() || std::ranges::any_of(wanted, fits);
}

bool is_pod(std::string_view pod, std::string_view wanted) {
  if (pod.empty()) return false;
  return wanted.find('/') == std::string_view::npos ? pod.substr(pod.find('/') + 1).starts_with(wanted)
                                                    : pod.starts_with(wanted);
}

bool is_in(std::string_view pod, std::string_view ns) {
  return pod.size() > ns.size() && pod.starts_with(ns) && pod[ns.size()] == '/';
}

bool is_service(const json::value& flow, std::string_view wanted) {
  auto name = text_at(flow, "service.name");
  if (name.empty()) return false;
  return wanted.find('/') == std::string_view::npos ? name.substr(name.find('/') + 1) == wanted
                                                    : name == wanted;
}

bool same_text(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return std::toupper(x) == std::toupper(y); });
}

/// One end of a flow, and what it is to be.
struct Side {
  std::string_view pod, address;
  explicit Side(const json::value& flow, const char* side)
      : pod(text_at(flow, fmt::format("{}.pod", side).c_str())),
        address(text_at(flow, fmt::format("{}.address", side).c_str())) {}
  bool fits(const std::vector<std::string>& pods, const std::vector<std::string>& namespaces,
            const std::vector<std::string>& addresses) const {
    return any(pods, [&](const auto& wanted) { return is_pod(pod, wanted); }) &&
           any(namespaces, [&](const auto& wanted) { return is_in(pod, wanted); }) &&
           any(addresses, [&](const auto& wanted) { return address == wanted; });
  }
};

std::string end_text(const json::value& flow, const char* side) {
  auto pod = text_at(flow, fmt::format("{}.pod", side).c_str());
  auto address = text_at(flow, fmt::format("{}.address", side).c_str());
  auto port = port_at(flow, side);
  std::string name(pod.empty() ? address : pod);
  if (pod.empty() && address.find(':') != std::string_view::npos) name = fmt::format("[{}]", address);
  return port == 0 ? name : fmt::format("{}:{}", name, port);
}

std::string milliseconds(int64_t microseconds) {
  return fmt::format("{:.1f} ms", static_cast<double>(microseconds) / 1000);
}

std::string details(const json::value& flow) {
  auto event = text_at(flow, "event");
  auto took = number_at(flow, "took_us");
  if (event == "connected") return " in " + milliseconds(took);
  if (event == "failed") {
    // The socket was closed before anything came.
    auto error = text_at(flow, "error");
    return fmt::format(" {} after {}", error.empty() ? "given up" : error, milliseconds(took));
  }
  if (event == "closed")
    return fmt::format(" after {}, {} bytes sent, {} received", milliseconds(took), number_at(flow, "sent"),
                       number_at(flow, "received"));
  auto why = text_at(flow, "why");
  return why.empty() ? "" : fmt::format(": {}", why);
}

}  // namespace

bool FlowFilter::wants(const json::value& flow) const {
  const Side from(flow, "from"), to(flow, "to");
  auto one_of = [&](const std::vector<std::string>& wanted, const char* path) {
    return any(wanted, [&](const auto& text) { return same_text(text_at(flow, path), text); });
  };
  auto has_port = [&](const std::vector<uint16_t>& wanted, bool either) {
    return wanted.empty() || std::ranges::any_of(wanted, [&](int64_t port) {
             return port_at(flow, "to") == port || port_at(flow, "service") == port ||
                    (either && port_at(flow, "from") == port);
           });
  };
  const bool fits = (from.fits(pod, ns, ip) || to.fits(pod, ns, ip)) &&
                    from.fits(from_pod, from_ns, from_ip) && to.fits(to_pod, to_ns, to_ip) &&
                    one_of(verdict, "verdict") && one_of(protocol, "protocol") && one_of(event, "event") &&
                    has_port(port, true) && has_port(to_port, false) &&
                    any(service, [&](const auto& wanted) { return is_service(flow, wanted); });
  return fits != invert;
}

json::object flow_of_decision(const json::value& decision) {
  json::object out = decision.is_object() ? decision.get_object() : json::object();
  auto verdict = kube::string_at(decision, "verdict");
  out["event"] = "decided";
  out["seen_at"] = kube::string_at(decision, "direction") == "egress" ? "from" : "to";
  out["verdict"] = verdict == "denied" ? "DROPPED" : verdict == "audited" ? "AUDIT" : "FORWARDED";
  out["service"] = nullptr;
  out.erase("direction");
  return out;
}

std::string compact(const json::value& flow) {
  std::string service(text_at(flow, "service.name"));
  if (service.empty()) service = text_at(flow, "service.address");
  if (!service.empty()) service = fmt::format(" ({}:{})", service, port_at(flow, "service"));
  auto out = fmt::format("{} {}: {} -> {}{} {} {} {}{}", text_at(flow, "time"), text_at(flow, "node"),
                         end_text(flow, "from"), end_text(flow, "to"), service, text_at(flow, "protocol"),
                         text_at(flow, "event"), text_at(flow, "verdict"), details(flow));
  return out;
}

}  // namespace weft::observe
