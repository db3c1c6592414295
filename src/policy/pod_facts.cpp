#include "policy/pod_facts.h"

#include <algorithm>

#include "policy/rules.h"

namespace weft::policy {
namespace {

void add_ports(const kube::Container& container, std::vector<NamedPort>& out) {
  for (const auto& port : container.ports) {
    auto protocol = protocol_number(port.protocol.empty() ? "TCP" : port.protocol);
    if (port.name.empty() || !protocol || port.containerPort < 1 || port.containerPort > 65535) continue;
    out.push_back({port.name, *protocol, static_cast<uint16_t>(port.containerPort)});
  }
}

/// Of an init container the ports count if it goes on running beside the others (a sidecar).
std::vector<NamedPort> ports_of(const kube::PodSpec& spec) {
  std::vector<NamedPort> out;
  for (const auto& container : spec.containers) add_ports(container, out);
  for (const auto& container : spec.initContainers) {
    if (container.restartPolicy == "Always") add_ports(container, out);
  }
  std::ranges::sort(out);
  out.erase(std::ranges::unique(out).begin(), out.end());
  return out;
}

template <class List>
std::vector<IpAddr> addresses_of(const List& list, const std::string& first) {
  std::vector<IpAddr> out;
  for (const auto& item : list) {
    if (auto ip = IpAddr::parse(item.ip)) out.push_back(*ip);
  }
  if (auto ip = IpAddr::parse(first); ip && std::ranges::count(out, *ip) == 0) out.push_back(*ip);
  return out;
}

}  // namespace

PodFacts facts_of(const kube::Pod& pod) {
  auto report = pod.metadata.annotations.find(kReportAllowedAnnotation);
  PodFacts out{.key = pod.metadata.namespace_ + "/" + pod.metadata.name,
               .namespace_ = pod.metadata.namespace_,
               .uid = pod.metadata.uid,
               .node = pod.spec.nodeName,
               .labels = pod.metadata.labels,
               .ports = ports_of(pod.spec),
               .addresses = {},
               .host_addresses = addresses_of(pod.status.hostIPs, pod.status.hostIP),
               .host_network = pod.spec.hostNetwork,
               .over = pod.status.phase == "Succeeded" || pod.status.phase == "Failed",
               .terminating = pod.metadata.deletionTimestamp.has_value(),
               .report_allowed = report != pod.metadata.annotations.end() && report->second == "true",
               .created = pod.metadata.creationTimestamp};
  if (out.counts()) out.addresses = addresses_of(pod.status.podIPs, pod.status.podIP);
  return out;
}

Peer peer_of(const PodFacts& pod, const kube::StringMap& namespace_labels) {
  Peer peer;
  peer.pod = true;
  peer.namespace_ = pod.namespace_;
  peer.namespace_labels = namespace_labels;
  peer.labels = pod.labels;
  peer.ports = pod.ports;
  return peer;
}

}  // namespace weft::policy
