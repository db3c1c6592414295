#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "kube/service.h"

/// What a Service says about its LoadBalancer addresses. Pure.
namespace weft::service {

inline constexpr std::string_view kLoadBalancerClass = "weft.dev/weft";
/// "192.0.2.7" or "192.0.2.7,2001:db8::7": the addresses that a Service asks for, at most one a family.
inline constexpr const char* kAddressesAnnotation = "weft.dev/addresses";
/// The name of the AddressPool that its addresses have to come from.
inline constexpr const char* kAddressPoolAnnotation = "weft.dev/address-pool";
/// Services of a namespace with the same key may have the same address.
inline constexpr const char* kSharingKeyAnnotation = "weft.dev/sharing-key";

/// Of type LoadBalancer, and of our class or of none.
bool is_ours(const kube::Service& service);

struct PoolRequest {
  std::vector<bool> v6;           ///< the families it needs an address of, in the order of spec.ipFamilies
  std::map<bool, IpAddr> wanted;  ///< by `v6`
  std::string wanted_by;          ///< the field that `wanted` is from
  std::string pool;               ///< empty: any
  std::string sharing;            ///< "namespace/sharing key"; empty: shares with nobody
  std::string problem;            ///< why it cannot be understood, with the field at fault before it
};
PoolRequest request_of(const kube::Service& service);

/// "namespace/sharing key", or empty.
std::string sharing_of(const kube::Service& service);
/// Why the two may not have the same address, for people; empty if they may.
std::string why_not_shared(const kube::Service& a, const kube::Service& b);

}  // namespace weft::service
