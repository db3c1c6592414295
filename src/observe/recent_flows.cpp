#include "observe/recent_flows.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <chrono>
#include <cstring>
#include <utility>

#include "datapath/prefix_key.h"

namespace weft::observe {
namespace {

json::object end_json(const IpAddr& address, uint16_t port, const Names& names) {
  return {{"pod", names.pod_at(address)}, {"address", address.str()}, {"port", port}};
}

json::value service_json(const weft_socket_event& event, const Names& names) {
  const bool translated = event.frontend_port != 0;
  if (!translated && event.accepted != 0) return nullptr;
  auto address = datapath::addr_of(translated ? event.frontend : event.remote);
  auto port = ntohs(translated ? event.frontend_port : event.remote_port);
  auto name = names.service_at(address, port, event.protocol);
  // Past the socket the Service is its peer: the pod's edge translates.
  if (!translated && name.empty()) return nullptr;
  return json::object{{"name", name}, {"address", address.str()}, {"port", port}};
}

json::object flow_json(const weft_socket_event& event, const Names& names) {
  auto from = end_json(datapath::addr_of(event.local), ntohs(event.local_port), names);
  auto to = end_json(datapath::addr_of(event.remote), ntohs(event.remote_port), names);
  if (event.accepted != 0) std::swap(from, to);
  const bool failed = event.kind == WEFT_SOCKET_FAILED;
  const char* error = failed && event.error != 0 ? strerrorname_np(event.error) : "";
  return {{"event", kind_name(event.kind)},
          {"verdict", failed ? "ERROR" : "FORWARDED"},
          {"error", error ? error : ""},
          {"protocol", event.protocol == IPPROTO_UDP ? "UDP" : "TCP"},
          {"seen_at", event.accepted != 0 ? "to" : "from"},
          {"from", std::move(from)},
          {"to", std::move(to)},
          {"service", service_json(event, names)},
          {"took_us", event.took_ns / 1000},
          {"sent", event.sent},
          {"received", event.received}};
}

}  // namespace

std::string_view kind_name(uint8_t kind) {
  switch (kind) {
    case WEFT_SOCKET_CONNECTED:
      return "connected";
    case WEFT_SOCKET_ACCEPTED:
      return "accepted";
    case WEFT_SOCKET_FAILED:
      return "failed";
    case WEFT_SOCKET_CLOSED:
      return "closed";
    default:
      return "sent";
  }
}

json::object flows_json(const datapath::SocketEventPage& page, const Names& names, kube::TimePoint wall,
                        uint64_t monotonic_ns) {
  json::array list;
  for (const auto& event : page.events) {
    auto age = std::chrono::nanoseconds(static_cast<int64_t>(monotonic_ns - event.time_ns));
    auto item = flow_json(event, names);
    item["time"] = kube::format_micro_time(wall - std::chrono::duration_cast<std::chrono::microseconds>(age));
    list.push_back(std::move(item));
  }
  return {{"next", page.next}, {"lost", page.lost}, {"flows", std::move(list)}};
}

}  // namespace weft::observe
