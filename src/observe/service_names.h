#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "base/ip.h"
#include "kube/service.h"

namespace weft::observe {

/// Which Service an address and a port are of: its cluster, external and load balancers' addresses, and its
/// node ports at any address. A change costs what that Service has.
class ServiceNames {
 public:
  using ServicePtr = std::shared_ptr<const kube::Service>;
  /// As kube::Informer reports changes.
  void service_changed(const ServicePtr& before, const ServicePtr& after);
  /// "NAMESPACE/NAME"; empty: of none. `protocol`: IPPROTO_…, `port` in host order.
  std::string find(const IpAddr& address, uint16_t port, uint8_t protocol) const;

 private:
  /// The address of node ports is the unspecified one.
  using Key = std::tuple<IpAddr, uint16_t, uint8_t>;
  static std::vector<Key> keys_of(const kube::Service& service);
  std::map<Key, std::string> names_;
};

}  // namespace weft::observe
