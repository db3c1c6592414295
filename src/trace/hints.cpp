#include "trace/hints.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <tuple>
#include <utility>

#include "endpoints/endpoint.h"
#include "kube/selector.h"
#include "policy/rules.h"

namespace weft::trace {
namespace {

using PodPtr = Ptr<kube::Pod>;

std::vector<PodPtr> pods_in(const World& world, const std::string& ns) {
  std::vector<PodPtr> out;
  for (auto at = world.pods.lower_bound(ns + "/"); at != world.pods.end(); ++at) {
    if (at->second->metadata.namespace_ != ns) break;
    out.push_back(at->second);
  }
  return out;
}

size_t shared_labels(const kube::StringMap& selector, const kube::StringMap& labels) {
  return static_cast<size_t>(std::ranges::count_if(selector, [&](const auto& pair) {
    auto at = labels.find(pair.first);
    return at != labels.end() && at->second == pair.second;
  }));
}

/// The pod that comes nearest to a selector: most labels as asked, else most that are nearly so, else most
/// keys with other values.
PodPtr nearest(const std::vector<PodPtr>& pods, const kube::StringMap& selector) {
  PodPtr best;
  std::tuple<size_t, size_t, size_t> most;
  for (const auto& pod : pods) {
    const auto& labels = pod->metadata.labels;
    size_t keys = 0, alike = 0;
    for (const auto& [key, value] : selector) {
      auto at = labels.find(key);
      if (at == labels.end()) continue;
      ++keys;
      if (distance(at->second, value) <= 2) ++alike;
    }
    std::tuple now{shared_labels(selector, labels), alike, keys};
    if (now > most) {
      most = now;
      best = pod;
    }
  }
  return best;
}

Hint selects_nobody(const World& world, const std::string& key, const kube::Service& service) {
  Hint out;
  const auto& selector = service.spec.selector;
  out.reason = fmt::format("the selector of Service {} ({}) matches no pod", key, labels_text(selector));
  auto ns = service.metadata.namespace_;
  if (const auto* idle = idle_workload(world, ns, selector)) {
    out.fix = fmt::format("{} makes such pods, and has none: give it replicas{}", idle->name,
                          idle->name.starts_with("DaemonSet ") ? ", which are nodes that it may run on" : "");
    return out;
  }
  for (const auto& [pod_key, pod] : world.pods) {
    if (shared_labels(selector, pod->metadata.labels) != selector.size()) continue;
    out.fix = fmt::format(
        "a Service selects pods of its own namespace: Pod {} fits, but is in namespace {}; put the Service "
        "there",
        pod_key, pod->metadata.namespace_);
    return out;
  }
  if (auto near = nearest(pods_in(world, ns), selector)) {
    out.fix = fmt::format("make spec.selector of Service {} and the labels of pods agree: Pod {}/{} has {}",
                          key, ns, near->metadata.name, labels_text(near->metadata.labels));
    return out;
  }
  out.fix = fmt::format("make pods with the labels {} in namespace {}", labels_text(selector), ns);
  return out;
}

std::string port_text(const kube::ServicePort& port) {
  return fmt::format("{}{}/{}", port.name.empty() ? "" : port.name + " ", port.port,
                     port.protocol.empty() ? "TCP" : port.protocol);
}

std::string names_of_ports(const kube::Pod& pod) {
  std::string out;
  for (const auto& container : pod.spec.containers) {
    for (const auto& port : container.ports)
      out += fmt::format("{}{} ({}/{})", out.empty() ? "" : ", ", port.name.empty() ? "unnamed" : port.name,
                         port.containerPort, port.protocol.empty() ? "TCP" : port.protocol);
  }
  return out.empty() ? "none" : out;
}

}  // namespace

const IdleWorkload* idle_workload(const World& world, const std::string& ns,
                                  const kube::StringMap& selector) {
  auto at = std::ranges::find_if(world.idle, [&](const IdleWorkload& idle) {
    return idle.namespace_ == ns && shared_labels(selector, idle.labels) == selector.size();
  });
  return at == world.idle.end() ? nullptr : &*at;
}

std::string fix_of_condition(std::string_view reason) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 14> kFixes{{
      {"NoMatchingListenerHostname", "use a hostname that a listener has"},
      {"NotAllowedByListeners",
       "open the listener's allowedRoutes to this namespace and kind, or name another one"},
      {"NoMatchingParent", "correct sectionName and port"},
      {"RefNotPermitted", "allow it by a ReferenceGrant in the namespace that is referred to"},
      {"BackendNotFound", "make that Service, or correct the name and the port"},
      {"InvalidKind", "name a Service"},
      {"UnsupportedValue", "leave it out, or write it otherwise"},
      {"InvalidParameters", "leave it out"},
      {"InvalidRouteKinds", "name kinds of routes that the listener's protocol has"},
      {"InvalidCertificateRef", "name a Secret of type kubernetes.io/tls with a certificate and its key"},
      {"InvalidCACertificateKind", "name a ConfigMap or a Secret with ca.crt"},
      {"InvalidCACertificateRef", "name a ConfigMap or a Secret with ca.crt"},
      {"UnsupportedProtocol", "use HTTP, HTTPS, TLS, TCP or UDP"},
      {"UnsupportedAddress", "ask for IP addresses"},
  }};
  auto at = std::ranges::find(kFixes, reason, &std::pair<std::string_view, std::string_view>::first);
  return at == kFixes.end() ? std::string() : std::string(at->second);
}

int distance(std::string_view a, std::string_view b) {
  std::vector<int> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 1; i <= a.size(); ++i) {
    int corner = std::exchange(row[0], static_cast<int>(i));
    for (size_t j = 1; j <= b.size(); ++j) {
      int above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, corner + (a[i - 1] == b[j - 1] ? 0 : 1)});
      corner = above;
    }
  }
  return std::min(row.back(), 3);
}

std::string protocol_text(uint8_t protocol) { return policy::protocol_name(protocol); }

std::string labels_text(const kube::StringMap& labels) {
  std::string out;
  for (const auto& [key, value] : labels) out += (out.empty() ? "" : ", ") + key + "=" + value;
  return out.empty() ? "no labels" : out;
}

Hint why_no_endpoints(const World& world, const std::string& key, const kube::ServicePort& port, bool v6) {
  const auto& service = *world.services.at(key);
  Hint out;
  auto family = v6 ? "IPv6" : "IPv4";
  if (service.spec.selector.empty()) {
    auto at = world.slices.find(key);
    bool any = at != world.slices.end() && !at->second.empty();
    if (any &&
        std::ranges::none_of(at->second, [&](const auto& slice) { return slice->addressType == family; })) {
      out.reason =
          fmt::format("no EndpointSlice of Service {} has {} addresses, and the Service does", key, family);
      out.fix =
          fmt::format("make spec.ipFamilies of the Service and addressType of its slices agree: they have {}",
                      at->second.front()->addressType);
      return out;
    }
    out.reason = any ? fmt::format("no EndpointSlice of Service {} has an endpoint with its port {}", key,
                                   port_text(port))
                     : fmt::format("Service {} has no selector and no EndpointSlice", key);
    out.fix = fmt::format(
        "give it a selector, or an EndpointSlice in {} with the label kubernetes.io/service-name: {}"
        " and a port named \"{}\"",
        service.metadata.namespace_, service.metadata.name, port.name);
    return out;
  }
  auto selector = kube::Selector::from(service.spec.selector);
  auto pods = pods_in(world, service.metadata.namespace_);
  std::erase_if(pods, [&](const auto& pod) { return !selector.matches(pod->metadata.labels); });
  if (pods.empty()) return selects_nobody(world, key, service);
  if (auto left = world.left_out.find(key);
      left != world.left_out.end() && left->second.size() == pods.size()) {
    out.reason = fmt::format("no pod of Service {} counts: Pod {}: {}", key, left->second[0].first,
                             left->second[0].second);
    out.fix = "make the pods run";
    return out;
  }
  bool have_port = std::ranges::any_of(pods, [&](const auto& pod) {
    return std::ranges::any_of(endpoints::resolve_ports(service, *pod),
                               [&](const auto& have) { return have.name.value_or("") == port.name; });
  });
  if (!have_port) {
    const auto& pod = *pods.front();
    out.reason =
        fmt::format("no container of the pods of Service {} has a {} port named \"{}\", its targetPort", key,
                    port.protocol.empty() ? "TCP" : port.protocol, port.targetPort.str());
    out.fix =
        fmt::format("name a port of the containers \"{}\", or change targetPort: Pod {}/{} has ports {}",
                    port.targetPort.str(), pod.metadata.namespace_, pod.metadata.name, names_of_ports(pod));
    return out;
  }
  bool of_family = std::ranges::any_of(pods, [&](const auto& pod) {
    return std::ranges::any_of(pod->status.podIPs, [&](const auto& ip) {
      auto address = IpAddr::parse(ip.ip);
      return address && address->is_v6() == v6;
    });
  });
  if (!of_family) {
    out.reason = fmt::format("no pod of Service {} has an {} address", key, family);
    out.fix = fmt::format("leave {} out of spec.ipFamilies, or give pods such addresses", family);
    return out;
  }
  out.reason = fmt::format("none of the {} pods of Service {} is ready", pods.size(), key);
  out.fix =
      "see why their readiness probes fail (kubectl describe pod), or set spec.publishNotReadyAddresses";
  return out;
}

Hint why_no_port(const World& world, const std::string& key, uint16_t port, uint8_t protocol) {
  const auto& service = *world.services.at(key);
  Hint out{.reason = fmt::format("Service {} has no port {}/{}", key, port, protocol_text(protocol)),
           .fix = {}};
  std::string all;
  for (const auto& have : service.spec.ports) {
    all += (all.empty() ? "" : ", ") + port_text(have);
    if (have.port == port)
      out.fix = fmt::format("its port {} is of another protocol: {}", port, port_text(have));
    else if (have.targetPort.number() == port || have.nodePort == port)
      out.fix = fmt::format(
          "{} is its {}: ask for its port {}", port,
          have.nodePort == port ? "nodePort, which nodes have" : "targetPort, which pods have", have.port);
  }
  if (out.fix.empty())
    out.fix =
        fmt::format("ask for a port that it has ({}), or add one to spec.ports", all.empty() ? "none" : all);
  return out;
}

Hint why_no_name(const World& world, const std::string& host, const std::string& ns) {
  auto first = host.substr(0, host.find('.'));
  Hint out{.reason = fmt::format("no name that {} can stand for exists", host), .fix = {}};
  std::vector<std::string> elsewhere;
  for (const auto& [key, service] : world.services) {
    if (service->metadata.name == first) elsewhere.push_back(service->metadata.namespace_);
  }
  auto here = std::ranges::find(elsewhere, ns);
  if (here != elsewhere.end()) {
    const auto& service = *world.services.at(key_of(ns, first));
    if (service.spec.clusterIP == "None")
      out.fix = fmt::format("Service {}/{} is headless and has no ready endpoint, so its name does not exist",
                            ns, first);
    else
      out.fix =
          fmt::format("ask for {}, {}.{} or {}.{}.svc.{}", first, first, ns, first, ns, world.dns.domain);
  } else if (!elsewhere.empty()) {
    out.fix = fmt::format("there is a Service {} in namespace {}: ask for {}.{}", first, elsewhere.front(),
                          first, elsewhere.front());
  } else {
    out.fix = fmt::format("make a Service {}, or correct the name", first);
  }
  return out;
}

}  // namespace weft::trace
