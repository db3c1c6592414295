#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "trace/world.h"

namespace weft::reach {

struct PortNumber {
  uint8_t protocol = 0;  ///< IPPROTO_…
  uint16_t port = 0;
  auto operator<=>(const PortNumber&) const = default;
  std::string str() const;  ///< "80/TCP"
};

/// Pods of one owner that policies cannot tell apart: what is asked of one holds for all.
struct PodKind {
  uint32_t subject = 0;                               ///< 0: no policy can be about them
  std::array<std::optional<uint32_t>, 2> identities;  ///< of the IPv4 and the IPv6 address
  std::string host;                                   ///< the node whose network they are on
  std::vector<PortNumber> ports;                      ///< that containers declare, sorted
  std::string owner;                                  ///< "Deployment shop/web"; empty: none
  auto operator<=>(const PodKind&) const = default;
};

struct PodKindMembers {
  PodKind kind;
  std::set<std::string> nodes;
  std::vector<std::string> pods;  ///< keys, sorted
  size_t workload = 0;
};

/// The pods of one owner; without an owner, those that are of one kind.
struct Workload {
  std::string name;  ///< "Deployment shop/web", "Pod shop/client", "Pod shop/a and 2 like it", "outside"
  bool owned = false;
  std::vector<std::string> pods;  ///< keys, sorted; none: outside
  std::vector<size_t> kinds;      ///< in Pods::kinds
};

/// The pods of a world that have an address and are not over.
struct Pods {
  std::vector<PodKindMembers> kinds;
  std::vector<Workload> workloads;        ///< by name
  std::map<std::string, size_t> kind_of;  ///< by key of the pod
};
Pods group_pods(const trace::World& world);

}  // namespace weft::reach
