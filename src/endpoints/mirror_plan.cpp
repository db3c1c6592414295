#include "endpoints/mirror_plan.h"

#include <map>
#include <tuple>

#include "base/ip.h"
#include "endpoints/endpoint.h"

namespace weft::endpoints {

namespace {

constexpr const char* kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";

struct Address {
  const kube::EndpointAddress* address;
  bool ready;
};
/// By address and the target's uid: two pods of the host network may have one address.
using Addresses = std::map<std::pair<std::string, std::string>, Address>;

/// Addresses that have exactly these ports, and ports that have exactly these addresses.
struct Subset {
  std::vector<kube::EndpointPort> ports;
  Addresses addresses;
};

kube::EndpointPort to_port(const kube::EndpointsPort& port) {
  kube::EndpointPort out;
  out.name = port.name;
  out.protocol = port.protocol.empty() ? "TCP" : port.protocol;
  out.port = port.port;
  out.appProtocol = port.appProtocol;
  return out;
}

/// An address that somewhere is not ready for a port is not.
void add(Addresses& to, const std::vector<kube::EndpointAddress>& addresses, bool ready) {
  for (const auto& address : addresses) {
    auto uid = address.targetRef ? address.targetRef->uid : std::string();
    auto [it, is_new] = to.try_emplace({address.ip, std::move(uid)}, Address{&address, ready});
    it->second.ready &= ready;
  }
}

/// The subsets in their shortest form: nothing keeps people from naming a port or an address in several, in
/// which one slice could not say what holds.
std::vector<Subset> repack(const kube::Endpoints& endpoints) {
  // By the port, as ports_key() names it; "" for subsets without ports.
  std::map<std::string, Subset> by_port;
  for (const auto& subset : endpoints.subsets) {
    auto take = [&](std::vector<kube::EndpointPort> ports) {
      auto& to = by_port[ports_key(ports)];
      to.ports = std::move(ports);
      add(to.addresses, subset.addresses, true);
      add(to.addresses, subset.notReadyAddresses, false);
    };
    for (const auto& port : subset.ports) take({to_port(port)});
    if (subset.ports.empty()) take({});
  }
  std::map<std::vector<std::tuple<std::string, std::string, bool>>, Subset> by_addresses;
  for (auto& [key, one] : by_port) {
    std::vector<std::tuple<std::string, std::string, bool>> addresses;
    for (const auto& [name, address] : one.addresses)
      addresses.emplace_back(name.first, name.second, address.ready);
    auto& to = by_addresses[std::move(addresses)];
    to.ports.insert(to.ports.end(), one.ports.begin(), one.ports.end());
    to.addresses = std::move(one.addresses);
  }
  std::vector<Subset> out;
  for (auto& [key, subset] : by_addresses) out.push_back(std::move(subset));
  return out;
}

kube::Endpoint to_endpoint(const Address& from, const IpAddr& ip) {
  kube::Endpoint out;
  out.addresses = {ip.str()};
  out.conditions.ready = from.ready;
  if (!from.address->hostname.empty()) out.hostname = from.address->hostname;
  out.targetRef = from.address->targetRef;
  out.nodeName = from.address->nodeName;
  return out;
}

using Groups = std::map<std::string, Group>;

/// What the slices shall hold, by family, and what is left out.
class Wanted {
 public:
  Wanted(const MirrorInput& input, MirrorPlan& plan) : most_(input.most_per_subset), plan_(plan) {
    for (const auto& subset : repack(*input.endpoints)) {
      count_ = 0;
      for (bool ready : {true, false}) take(subset, ready);
    }
  }
  Groups& v4() { return v4_; }
  Groups& v6() { return v6_; }

 private:
  void take(const Subset& subset, bool ready) {
    for (const auto& [key, address] : subset.addresses) {
      if (address.ready != ready) continue;
      auto ip = IpAddr::parse(address.address->ip);
      if (!ip) {
        ++plan_.invalid;
      } else if (count_ == most_) {
        ++plan_.over_limit;
      } else {
        ++count_;
        auto& group = (ip->is_v6() ? v6_ : v4_)[ports_key(subset.ports)];
        group.ports = subset.ports;
        group.endpoints.push_back(to_endpoint(address, *ip));
      }
    }
  }

  size_t most_;
  MirrorPlan& plan_;
  size_t count_ = 0;
  Groups v4_, v6_;
};

SliceShape shape_for(const MirrorInput& input) {
  const auto& meta = input.endpoints->metadata;
  SliceShape out;
  out.namespace_ = meta.namespace_;
  out.owner = controller_reference("Endpoints", meta);
  out.labels = meta.labels;
  out.labels[kServiceName] = meta.name;
  out.labels[kManagedBy] = kMirrorController;
  out.annotations = meta.annotations;
  out.annotations->erase(kTriggerTime);
  out.annotations->erase(kLastApplied);
  out.most_per_slice = input.most_per_subset;
  return out;
}

}  // namespace

std::string why_not_mirrored(const kube::Endpoints* endpoints, const kube::Service* service) {
  if (!endpoints) return "there are no Endpoints";
  const auto& meta = endpoints->metadata;
  if (auto it = meta.labels.find(kSkipMirror); it != meta.labels.end() && it->second == "true")
    return std::string("they are labelled ") + kSkipMirror;
  if (meta.annotations.contains(kLeaderAnnotation)) return "they are the lock of a leader election";
  if (!service) return "there is no Service of that name";
  if (!service->spec.selector.empty()) return "the Service has a selector";
  return {};
}

MirrorPlan plan_mirror(const MirrorInput& input) {
  MirrorPlan plan;
  plan.why_not = why_not_mirrored(input.endpoints, input.service);
  if (!plan.why_not.empty()) {
    plan.remove = input.slices;
    return plan;
  }
  Wanted wanted(input, plan);
  const auto shape = shape_for(input);
  plan.append(pack(shape, "IPv4", std::move(wanted.v4()), input.slices));
  plan.append(pack(shape, "IPv6", std::move(wanted.v6()), input.slices));
  for (const auto& slice : input.slices) {
    if (slice->addressType != "IPv4" && slice->addressType != "IPv6") plan.remove.push_back(slice);
  }
  // While they go, new slices would only race with the garbage collector.
  if (input.endpoints->metadata.deletionTimestamp) plan.create.clear();
  return plan;
}

}  // namespace weft::endpoints
