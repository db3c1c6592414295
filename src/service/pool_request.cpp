#include "service/pool_request.h"

#include <fmt/core.h>

#include "base/text.h"

namespace weft::service {
namespace {

std::string annotation(const kube::Service& service, const char* name) {
  auto at = service.metadata.annotations.find(name);
  return at == service.metadata.annotations.end() ? std::string() : std::string(trimmed(at->second));
}

bool has_family(const PoolRequest& request, bool v6) {
  for (bool family : request.v6) {
    if (family == v6) return true;
  }
  return false;
}

/// One address of the list; false if it makes no sense, and `problem` says why.
bool add_wanted(PoolRequest& request, std::string_view text) {
  auto refuse = [&](std::string why) {
    request.problem = fmt::format("{}: {}", request.wanted_by, why);
    return false;
  };
  auto addr = IpAddr::parse(text);
  if (!addr) return refuse(fmt::format("\"{}\" is not an IP address", text));
  const auto* family = addr->is_v6() ? "IPv6" : "IPv4";
  if (!has_family(request, addr->is_v6()))
    return refuse(
        fmt::format("{} is an {} address, and spec.ipFamilies has no {}", addr->str(), family, family));
  if (!request.wanted.emplace(addr->is_v6(), *addr).second)
    return refuse(fmt::format("more than one {} address", family));
  return true;
}

void read_wanted(const kube::Service& service, PoolRequest& request) {
  auto list = annotation(service, kAddressesAnnotation);
  request.wanted_by = fmt::format("metadata.annotations[{}]", kAddressesAnnotation);
  if (list.empty()) {
    list = trimmed(service.spec.loadBalancerIP);
    request.wanted_by = "spec.loadBalancerIP";
    if (!list.empty()) add_wanted(request, list);
    return;
  }
  std::string_view rest = list;
  while (true) {
    auto comma = rest.find(',');
    if (!add_wanted(request, trimmed(rest.substr(0, comma))) || comma == std::string_view::npos) return;
    rest.remove_prefix(comma + 1);
  }
}

std::string_view protocol_of(const kube::ServicePort& port) {
  return port.protocol.empty() ? std::string_view("TCP") : std::string_view(port.protocol);
}

bool is_local(const kube::Service& service) { return service.spec.externalTrafficPolicy == "Local"; }

}  // namespace

bool is_ours(const kube::Service& service) {
  return service.spec.type == "LoadBalancer" &&
         (!service.spec.loadBalancerClass || *service.spec.loadBalancerClass == kLoadBalancerClass);
}

PoolRequest request_of(const kube::Service& service) {
  PoolRequest request;
  for (const auto& family : service.spec.ipFamilies) request.v6.push_back(family == "IPv6");
  if (request.v6.empty()) request.v6.push_back(false);
  request.pool = annotation(service, kAddressPoolAnnotation);
  request.sharing = sharing_of(service);
  read_wanted(service, request);
  return request;
}

std::string sharing_of(const kube::Service& service) {
  auto key = annotation(service, kSharingKeyAnnotation);
  return key.empty() ? key : fmt::format("{}/{}", service.metadata.namespace_, key);
}

std::string why_not_shared(const kube::Service& a, const kube::Service& b) {
  auto sharing = sharing_of(a);
  if (sharing.empty() || sharing != sharing_of(b)) {
    return fmt::format("the two do not have the same namespace and the same annotation {}",
                       kSharingKeyAnnotation);
  }
  for (const auto& one : a.spec.ports) {
    for (const auto& other : b.spec.ports) {
      if (one.port == other.port && protocol_of(one) == protocol_of(other))
        return fmt::format("both have port {}/{}", one.port, protocol_of(one));
    }
  }
  if ((is_local(a) || is_local(b)) && a.spec.selector != b.spec.selector)
    return "spec.externalTrafficPolicy is Local, and their selectors differ";
  return {};
}

}  // namespace weft::service
