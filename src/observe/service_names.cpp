#include "observe/service_names.h"

#include <netinet/in.h>

namespace weft::observe {
namespace {

uint8_t number_of(const std::string& protocol) {
  if (protocol == "UDP") return IPPROTO_UDP;
  return protocol == "SCTP" ? IPPROTO_SCTP : IPPROTO_TCP;
}

}  // namespace

std::vector<ServiceNames::Key> ServiceNames::keys_of(const kube::Service& service) {
  std::vector<std::string> addresses = service.spec.clusterIPs;
  addresses.insert(addresses.end(), service.spec.externalIPs.begin(), service.spec.externalIPs.end());
  for (const auto& ingress : service.status.loadBalancer.ingress) addresses.push_back(ingress.ip);
  std::vector<Key> out;
  for (const auto& port : service.spec.ports) {
    uint8_t protocol = number_of(port.protocol);
    for (const auto& text : addresses) {
      // "None", and load balancers that have a host name instead.
      if (auto address = IpAddr::parse(text)) out.emplace_back(*address, port.port, protocol);
    }
    if (port.nodePort != 0) out.emplace_back(IpAddr(), port.nodePort, protocol);
  }
  return out;
}

void ServiceNames::service_changed(const ServicePtr& before, const ServicePtr& after) {
  if (before) {
    for (const auto& key : keys_of(*before)) names_.erase(key);
  }
  if (!after) return;
  auto name = after->metadata.namespace_ + "/" + after->metadata.name;
  for (const auto& key : keys_of(*after)) names_[key] = name;
}

std::string ServiceNames::find(const IpAddr& address, uint16_t port, uint8_t protocol) const {
  auto at = names_.find({address, port, protocol});
  if (at == names_.end()) at = names_.find({IpAddr(), port, protocol});
  return at == names_.end() ? std::string() : at->second;
}

}  // namespace weft::observe
