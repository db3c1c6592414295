#include "dns/plan.h"

#include <algorithm>

namespace weft::dns {
namespace {

Zone::Protocol protocol_of(const std::string& text) {
  if (text == "UDP") return Zone::Protocol::udp;
  if (text == "SCTP") return Zone::Protocol::sctp;
  return Zone::Protocol::tcp;
}

std::string lowered(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(ascii_lower(static_cast<uint8_t>(c)));
  return out;
}

/// The Service an EndpointSlice belongs to; "" when it belongs to none.
std::string service_of(const kube::EndpointSlice& slice) {
  auto label = slice.metadata.labels.find("kubernetes.io/service-name");
  return label == slice.metadata.labels.end() ? std::string{} : label->second;
}

constexpr std::string_view kHeadless = "None";

std::vector<std::string> cluster_ips(const kube::ServiceSpec& spec) {
  if (spec.clusterIPs.empty() && !spec.clusterIP.empty()) return {spec.clusterIP};
  return spec.clusterIPs;
}

Name under(std::initializer_list<std::string_view> labels, const Name& zone) {
  Name name;
  for (auto label : labels) name.append(label);
  name.append(zone.wire());
  return name;
}

}  // namespace

std::vector<IpAddr> cluster_addresses(const kube::Service& service) {
  std::vector<IpAddr> out;
  if (service.spec.type == "ExternalName") return out;
  const auto texts = cluster_ips(service.spec);
  out.reserve(texts.size());
  for (const std::string& text : texts) {
    if (auto ip = IpAddr::parse(text)) out.push_back(*ip);
  }
  return out;
}

std::string dashed(const IpAddr& ip) {
  std::string text = ip.str();
  std::ranges::replace(text, ip.is_v4() ? '.' : ':', '-');
  // A label may not begin or end with a hyphen.
  if (text.front() == '-') text.insert(0, 1, '0');
  if (text.back() == '-') text += '0';
  return text;
}

std::optional<IpAddr> parse_dashed(std::string_view label) {
  std::string text(label);
  bool v4 = std::ranges::count(label, '-') == 3 &&
            label.find_first_not_of("0123456789-") == std::string_view::npos && !label.contains("--");
  std::ranges::replace(text, '-', v4 ? '.' : ':');
  auto ip = IpAddr::parse(text);
  if (!ip || dashed(*ip) != label) return std::nullopt;
  return ip;
}

Zone::Zone(ZoneOptions options) { configure(std::move(options)); }

void Zone::configure(ZoneOptions options) {
  ++serial_;
  options_ = std::move(options);
  options_.zone.lower();
  primary_ = under({"ns", "dns"}, options_.zone);
  mailbox_ = under({"hostmaster"}, options_.zone);
}

Zone::ServiceEntry& Zone::service_entry(const std::string& ns, const std::string& name) {
  auto namespace_it = namespaces_.try_emplace(ns).first;
  auto [it, added] = namespace_it->second.services.try_emplace(name);
  if (added) {
    it->second.namespace_ = &namespace_it->first;
    it->second.name = &it->first;
  }
  return it->second;
}

void Zone::drop_if_empty(const std::string& ns, const std::string& name) {
  auto namespace_it = namespaces_.find(ns);
  if (namespace_it == namespaces_.end()) return;
  auto& entry = namespace_it->second;
  auto it = entry.services.find(name);
  if (it != entry.services.end() && it->second.kind == Kind::absent && it->second.slices.empty()) {
    entry.services.erase(it);
  }
  if (!entry.exists && entry.services.empty()) namespaces_.erase(namespace_it);
}

void Zone::add_reverse(const IpAddr& ip, const ServiceEntry& entry) { reverse_.emplace(ip, &entry); }

void Zone::remove_reverse(const IpAddr& ip, const ServiceEntry& entry) {
  auto [first, last] = reverse_.equal_range(ip);
  for (auto it = first; it != last; ++it) {
    if (it->second != &entry) continue;
    reverse_.erase(it);
    return;
  }
}

void Zone::apply(const kube::Namespace* before, const kube::Namespace* after) {
  ++serial_;
  const std::string& name = (after ? after : before)->metadata.name;
  namespaces_[name].exists = after != nullptr;
  if (!after) drop_if_empty(name, {});
}

void Zone::apply(const PodAddresses* before, const PodAddresses* after) {
  ++serial_;
  if (before) {
    for (const IpAddr& ip : before->addresses) {
      auto [first, last] = pods_.equal_range(ip);
      auto it = std::find_if(first, last, [&](const auto& pod) { return pod.second == before->namespace_; });
      if (it != last) pods_.erase(it);
    }
  }
  if (!after) return;
  for (const IpAddr& ip : after->addresses) pods_.emplace(ip, after->namespace_);
}

void Zone::apply(const kube::Service* before, const kube::Service* after) {
  ++serial_;
  const kube::ObjectMeta& meta = (after ? after : before)->metadata;
  ServiceEntry& entry = service_entry(meta.namespace_, meta.name);
  for (const IpAddr& ip : entry.addresses) remove_reverse(ip, entry);
  entry.addresses.clear();
  entry.ports.clear();
  entry.external_name.clear();
  entry.kind = Kind::absent;
  if (!after) return drop_if_empty(meta.namespace_, meta.name);

  const kube::ServiceSpec& spec = after->spec;
  if (spec.type == "ExternalName") {
    entry.kind = Kind::external_name;
    entry.external_name = spec.externalName;
    return;
  }
  const auto texts = cluster_ips(spec);
  if (texts.empty()) return;  // not allocated yet
  entry.kind = texts.front() == kHeadless ? Kind::headless : Kind::cluster_ip;
  entry.addresses = cluster_addresses(*after);
  for (const IpAddr& ip : entry.addresses) add_reverse(ip, entry);
  entry.ports.reserve(spec.ports.size());
  for (const auto& port : spec.ports) {
    entry.ports.push_back({lowered(port.name), static_cast<uint16_t>(port.port), protocol_of(port.protocol)});
  }
}

void Zone::apply(const kube::EndpointSlice* before, const kube::EndpointSlice* after) {
  ++serial_;
  if (before && !service_of(*before).empty()) {
    std::string service = service_of(*before);
    ServiceEntry& entry = service_entry(before->metadata.namespace_, service);
    auto it = std::ranges::find(entry.slices, before->metadata.name, &Slice::name);
    if (it != entry.slices.end()) {
      for (const Endpoint& endpoint : it->endpoints) remove_reverse(endpoint.address, entry);
      entry.slices.erase(it);
    }
    if (!after || service_of(*after) != service) drop_if_empty(before->metadata.namespace_, service);
  }
  if (!after || service_of(*after).empty() || after->addressType == "FQDN") return;

  ServiceEntry& entry = service_entry(after->metadata.namespace_, service_of(*after));
  Slice slice{after->metadata.name, {}, {}};
  for (const auto& port : after->ports) {
    if (!port.port) continue;  // "all ports": nothing an SRV record could say
    slice.ports.push_back({lowered(port.name.value_or("")), static_cast<uint16_t>(*port.port),
                           protocol_of(port.protocol.value_or("TCP"))});
  }
  for (const auto& endpoint : after->endpoints) {
    if (!endpoint.conditions.ready.value_or(true)) continue;
    for (const std::string& text : endpoint.addresses) {
      auto ip = IpAddr::parse(text);
      if (!ip) continue;
      slice.endpoints.push_back({*ip, lowered(endpoint.hostname.value_or(""))});
      add_reverse(*ip, entry);
    }
  }
  slice.ports.shrink_to_fit();
  slice.endpoints.shrink_to_fit();
  entry.slices.push_back(std::move(slice));
}

}  // namespace weft::dns
