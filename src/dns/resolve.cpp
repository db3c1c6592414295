#include <fmt/format.h>

#include <algorithm>

#include "dns/plan.h"

namespace weft::dns {
namespace {

constexpr std::string_view kVersionLabel = "dns-version";
constexpr int kMaxChase = 8;  // ExternalName to ExternalName

/// The labels of a lowered wire name, left to right; views into it.
struct Labels {
  std::array<std::string_view, 127> at;
  size_t count = 0;

  explicit Labels(const Name& name) {
    auto wire = name.wire();
    for (size_t i = 0; wire[i] != 0; i += wire[i] + 1U) {
      at[count++] = {reinterpret_cast<const char*>(&wire[i + 1]), wire[i]};
    }
  }
  /// The labels before the last `n`.
  std::span<const std::string_view> without_last(size_t n) const { return {at.data(), count - n}; }
  bool ends_with(const Labels& other) const {
    return count >= other.count &&
           std::equal(other.at.begin(), other.at.begin() + other.count, at.begin() + (count - other.count));
  }
};

/// The address of a complete reverse name (RFC 1035, 3.5; RFC 3596, 2.5).
std::optional<IpAddr> reverse_address(const Labels& labels) {
  if (labels.count < 6 || labels.at[labels.count - 1] != "arpa") return std::nullopt;
  std::string_view family = labels.at[labels.count - 2];
  std::string text;
  if (family == "in-addr" && labels.count == 6) {
    for (int i = 3; i >= 0; --i) (text += labels.at[i]) += i > 0 ? "." : "";
  } else if (family == "ip6" && labels.count == 34) {
    for (int i = 31; i >= 0; --i) {
      if (labels.at[i].size() != 1) return std::nullopt;
      text += labels.at[i];
      if (i % 4 == 0 && i > 0) text += ':';
    }
  } else {
    return std::nullopt;
  }
  return IpAddr::parse(text);
}

bool is_reverse(const Labels& labels) {
  return labels.count >= 2 && labels.at[labels.count - 1] == "arpa" &&
         (labels.at[labels.count - 2] == "in-addr" || labels.at[labels.count - 2] == "ip6");
}

template <class T>
bool contains(const std::vector<T>& values, const T& value) {
  return std::ranges::find(values, value) != values.end();
}

std::string_view protocol_label(Zone::Protocol protocol) {
  switch (protocol) {
    case Zone::Protocol::udp:
      return "_udp";
    case Zone::Protocol::sctp:
      return "_sctp";
    default:
      return "_tcp";
  }
}

}  // namespace

void Answer::clear() {
  kind = Kind::found;
  rcode = Rcode::noerror;
  answer.clear();
  additional.clear();
  soa_owner = {};
  soa_asked = version_asked = false;
  rewritten.reset();
  why.clear();
  names.clear();
}

Answer::NameRef Answer::keep(std::span<const uint8_t> wire) {
  NameRef ref{static_cast<uint32_t>(names.size()), static_cast<uint8_t>(wire.size())};
  names.insert(names.end(), wire.begin(), wire.end());
  return ref;
}

/// One question on its way through the zone. Each step writes into the answer and is done.
struct Zone::Lookup {
  const Zone& zone;
  Answer& out;
  Type type;
  Name owner = {};  ///< of the answer's records: the question's name, then each CNAME's target
  Answer::NameRef owner_ref = {};

  using Rest = std::span<const std::string_view>;

  void run(const Name& name);
  bool step(const Name& name, Name& target);
  void in_zone(Rest labels, Name& target);
  void in_service(Rest labels, Name& target);
  void in_pods(Rest labels);
  void reverse(const IpAddr& ip);
  void cluster_ip(const ServiceEntry& service, Rest rest);
  void endpoints(const ServiceEntry& service, Rest rest);
  void external(const ServiceEntry& service, Rest rest, Name& target);

  template <class... Args>
  void because(fmt::format_string<Args...> format, Args&&... args) {
    if (out.explain) out.why.push_back(fmt::format(format, std::forward<Args>(args)...));
  }
  void nxdomain() { out.rcode = Rcode::nxdomain; }
  void address(const IpAddr& ip) {
    if (type == (ip.is_v4() ? Type::a : Type::aaaa)) push_address(out.answer, owner_ref, ip);
  }
  void push_address(std::vector<Answer::Record>& section, Answer::NameRef of, const IpAddr& ip) const {
    section.push_back({of, ip.is_v4() ? Type::a : Type::aaaa, zone.options_.ttl, ip, {}});
  }
  void push_name(Type record_type, const Name& target) {
    out.answer.push_back({owner_ref, record_type, zone.options_.ttl, {}, out.keep(target.wire())});
  }
  /// `<label>.<service>.<ns>.svc.<zone>`; no label when `label` is "".
  Name name_of(const ServiceEntry& service, std::string_view label = {}) const {
    Name name;
    if (!label.empty()) name.append(label);
    name.append(*service.name);
    name.append(*service.namespace_);
    name.append("svc");
    name.append(zone.options_.zone.wire());
    return name;
  }

  /// Which ports an SRV question means: all for the Service's own name, the named one for `_port._proto`.
  static bool port_matches(const Port& port, Rest rest) {
    if (rest.empty()) return true;
    return !port.name.empty() && rest[0].starts_with('_') && rest[0].substr(1) == port.name &&
           rest[1] == protocol_label(port.protocol);
  }
  void unique_addresses();
  void srv_of_endpoints(const ServiceEntry& service, Rest port_labels, std::string_view hostname,
                        const std::optional<IpAddr>& only);
};

void Zone::resolve(const Name& name, Type type, Answer& answer) const {
  answer.clear();
  Lookup lookup{*this, answer, type};
  lookup.run(name);
}

void Zone::Lookup::run(const Name& name) {
  Name current = name;
  for (int i = 0; i <= kMaxChase; ++i) {
    owner = current;
    owner_ref = out.keep(owner.wire());
    Name target;
    if (!step(current, target)) {
      if (i > 0 && out.kind == Answer::Kind::outside) {
        out.kind = Answer::Kind::chased;
        out.chase = current;
      }
      return;
    }
    current = target;
  }
  because("ExternalName: more than {} names in a row", kMaxChase);
  out.answer.clear();
  out.rcode = Rcode::servfail;
}

/// Resolves one name; true when it leads on to `target`.
bool Zone::Lookup::step(const Name& name, Name& target) {
  Name lower = name;
  lower.lower();
  const Labels labels(lower);
  const Labels zone_labels(zone.options_.zone);
  const bool inside = labels.ends_with(zone_labels);
  if (!inside && !is_reverse(labels)) {
    out.kind = Answer::Kind::outside;
    because("{} is not in the zone {}", name.str(), zone.options_.zone.str());
    return false;
  }
  if (!zone.synced_) {
    out.rcode = Rcode::servfail;
    because("the first list of Services, EndpointSlices and Namespaces is not complete");
    return false;
  }
  if (!inside) {
    auto ip = reverse_address(labels);
    if (ip) {
      reverse(*ip);
    } else {
      out.kind = Answer::Kind::outside;
    }
    return false;
  }
  in_zone(labels.without_last(zone_labels.count), target);
  if (!target.is_root()) return true;
  // Without a record of the type asked for, the SOA says how long that may be remembered (RFC 2308).
  const bool positive = !out.answer.empty() && (type == Type::cname || out.answer.back().type != Type::cname);
  if (!positive && !out.soa_asked && !out.version_asked) out.soa_owner = out.keep(zone.options_.zone.wire());
  return false;
}

void Zone::Lookup::in_zone(Rest labels, Name& target) {
  if (labels.empty()) {
    because("the zone's apex");
    if (type == Type::soa) {
      out.soa_asked = true;
      out.soa_owner = out.keep(zone.options_.zone.wire());
    } else if (type == Type::ns) {
      push_name(Type::ns, zone.primary_);
    }
    return;
  }
  std::string_view top = labels.back();
  if (top == "svc") return in_service(labels.first(labels.size() - 1), target);
  if (top == "pod") return in_pods(labels.first(labels.size() - 1));
  if (top == kVersionLabel && labels.size() == 1) {
    out.version_asked = type == Type::txt;
    return;
  }
  // The name in the SOA record and the one above it exist.
  if (top == "dns" && (labels.size() == 1 || (labels.size() == 2 && labels[0] == "ns"))) return;
  because("no such name in the zone");
  nxdomain();
}

void Zone::Lookup::in_service(Rest labels, Name& target) {
  if (labels.empty()) return;
  auto ns = zone.namespaces_.find(labels.back());
  if (ns == zone.namespaces_.end()) {
    because("no Namespace {}", labels.back());
    return nxdomain();
  }
  if (labels.size() == 1) return;
  std::string_view name = labels[labels.size() - 2];
  auto it = ns->second.services.find(name);
  if (it == ns->second.services.end() || it->second.kind == Kind::absent) {
    because("no Service {}/{}", ns->first, name);
    return nxdomain();
  }
  Rest rest = labels.first(labels.size() - 2);
  switch (it->second.kind) {
    case Kind::external_name:
      return external(it->second, rest, target);
    case Kind::cluster_ip:
      return cluster_ip(it->second, rest);
    default:
      return endpoints(it->second, rest);
  }
}

void Zone::Lookup::external(const ServiceEntry& service, Rest rest, Name& target) {
  auto name = Name::parse(service.external_name);
  if (!rest.empty() || !name || name->is_root() || IpAddr::parse(service.external_name)) {
    because("Service {}/{}: ExternalName \"{}\" {}", *service.namespace_, *service.name,
            service.external_name, rest.empty() ? "is no name" : "has no names below it");
    return nxdomain();
  }
  because("Service {}/{}: spec.externalName", *service.namespace_, *service.name);
  push_name(Type::cname, *name);
  if (type != Type::cname) target = *name;
}

void Zone::Lookup::cluster_ip(const ServiceEntry& service, Rest rest) {
  if (rest.size() == 1 && !rest[0].starts_with('_')) return endpoints(service, rest);
  if (rest.size() > 2) return nxdomain();
  if (rest.size() == 1) {
    // `_tcp.<service>`: only a step on the way to its ports' names (RFC 8020).
    bool any = std::ranges::any_of(service.ports, [&](const Port& port) {
      return !port.name.empty() && rest[0] == protocol_label(port.protocol);
    });
    if (!any) nxdomain();
    return;
  }
  if (rest.empty()) {
    because("Service {}/{}: spec.clusterIPs", *service.namespace_, *service.name);
    for (const IpAddr& ip : service.addresses) address(ip);
    if (type != Type::srv) return;
  }
  auto matching =
      std::ranges::count_if(service.ports, [&](const Port& port) { return port_matches(port, rest); });
  if (matching == 0 && !rest.empty()) {
    because("Service {}/{}: no port {}.{}", *service.namespace_, *service.name, rest[0], rest[1]);
    return nxdomain();
  }
  if (type != Type::srv || matching == 0) return;
  if (!rest.empty()) because("Service {}/{}: spec.ports", *service.namespace_, *service.name);
  auto target = out.keep(name_of(service).wire());
  auto weight = static_cast<uint16_t>(std::max<size_t>(
      1, 100 / std::max<size_t>(1, static_cast<size_t>(matching) * service.addresses.size())));
  for (const Port& port : service.ports) {
    if (!port_matches(port, rest)) continue;
    out.answer.push_back({owner_ref, Type::srv, zone.options_.ttl, {}, target, weight, port.number});
  }
  for (const IpAddr& ip : service.addresses) push_address(out.additional, target, ip);
}

void Zone::Lookup::endpoints(const ServiceEntry& service, Rest rest) {
  if (rest.size() > 2) return nxdomain();
  std::string_view hostname;
  std::optional<IpAddr> only;
  Rest port_labels;
  bool protocol_only = rest.size() == 1 && rest[0].starts_with('_');
  if (rest.size() == 1 && !protocol_only) {
    hostname = rest[0];
    only = parse_dashed(hostname);
  } else if (rest.size() == 2) {
    port_labels = rest;
  }
  bool exists = false;
  for (const Slice& slice : service.slices) {
    bool port_exists = !slice.endpoints.empty();
    if (rest.size() == 2) {
      port_exists &=
          std::ranges::any_of(slice.ports, [&](const Port& p) { return port_matches(p, port_labels); });
    } else if (protocol_only) {
      port_exists &= std::ranges::any_of(slice.ports, [&](const Port& p) {
        return !p.name.empty() && rest[0] == protocol_label(p.protocol);
      });
    }
    if (!port_exists) continue;
    bool used = false;
    for (const Endpoint& endpoint : slice.endpoints) {
      if (!hostname.empty() &&
          (endpoint.hostname.empty() ? !only || *only != endpoint.address : endpoint.hostname != hostname)) {
        continue;
      }
      used = true;
      if (rest.size() == 2 || protocol_only) break;
      address(endpoint.address);
    }
    exists |= used;
    if (used) because("EndpointSlice {}/{} of Service {}", *service.namespace_, slice.name, *service.name);
  }
  if (!exists) {
    because("Service {}/{}: no ready endpoint{}", *service.namespace_, *service.name,
            rest.empty() ? "" : " of this name or port");
    return nxdomain();
  }
  if (type == Type::srv && !protocol_only) return srv_of_endpoints(service, port_labels, hostname, only);
  if (service.slices.size() > 1) unique_addresses();
}

void Zone::Lookup::unique_addresses() {
  // An endpoint that moves between slices is in both for a moment. CNAMEs before stay where they are.
  auto first =
      std::ranges::find_if(out.answer, [](const auto& record) { return record.type != Type::cname; });
  auto less = [](const Answer::Record& a, const Answer::Record& b) { return a.address < b.address; };
  auto same = [](const Answer::Record& a, const Answer::Record& b) { return a.address == b.address; };
  std::sort(first, out.answer.end(), less);
  out.answer.erase(std::unique(first, out.answer.end(), same), out.answer.end());
}

void Zone::Lookup::srv_of_endpoints(const ServiceEntry& service, Rest port_labels, std::string_view hostname,
                                    const std::optional<IpAddr>& only) {
  struct Pair {
    std::string label;
    IpAddr ip;
    uint16_t port;
    auto operator<=>(const Pair&) const = default;
  };
  std::vector<Pair> pairs;
  for (const Slice& slice : service.slices) {
    for (const Port& port : slice.ports) {
      if (!port_matches(port, port_labels)) continue;
      for (const Endpoint& endpoint : slice.endpoints) {
        bool named = !endpoint.hostname.empty();
        if (!hostname.empty() && (named ? endpoint.hostname != hostname : !only || *only != endpoint.address))
          continue;
        pairs.push_back(
            {named ? endpoint.hostname : dashed(endpoint.address), endpoint.address, port.number});
      }
    }
  }
  std::ranges::sort(pairs);
  auto repeated = std::ranges::unique(pairs);
  pairs.erase(repeated.begin(), repeated.end());
  auto weight = static_cast<uint16_t>(std::max<size_t>(1, 100 / std::max<size_t>(1, pairs.size())));
  Answer::NameRef target;
  for (size_t i = 0; i < pairs.size(); ++i) {
    const Pair* before = i > 0 ? &pairs[i - 1] : nullptr;
    // Sorted by label, address, port: one hostname on several endpoints is one SRV record a port.
    bool new_label = !before || before->label != pairs[i].label;
    if (new_label) target = out.keep(name_of(service, pairs[i].label).wire());
    if (new_label || before->ip != pairs[i].ip) push_address(out.additional, target, pairs[i].ip);
    bool listed = false;
    for (auto it = out.answer.rbegin(); it != out.answer.rend() && it->target.at == target.at; ++it) {
      listed |= it->port == pairs[i].port;
    }
    if (!listed)
      out.answer.push_back({owner_ref, Type::srv, zone.options_.ttl, {}, target, weight, pairs[i].port});
  }
}

void Zone::Lookup::in_pods(Rest labels) {
  if (labels.empty()) return;
  auto ns = zone.namespaces_.find(labels.back());
  if (ns == zone.namespaces_.end()) {
    because("no Namespace {}", labels.back());
    return nxdomain();
  }
  if (labels.size() == 1) return;
  auto ip = labels.size() == 2 && zone.options_.pods == PodRecords::insecure ? parse_dashed(labels[0])
                                                                             : std::nullopt;
  if (!ip) {
    because("{}", zone.options_.pods == PodRecords::disabled ? "pod records are off"
                                                             : "the name spells no address");
    return nxdomain();
  }
  because("pod records are insecure: the name itself says the address");
  address(*ip);
}

void Zone::Lookup::reverse(const IpAddr& ip) {
  auto [first, last] = zone.reverse_.equal_range(ip);
  std::vector<Name> targets;
  for (auto it = first; it != last; ++it) {
    const ServiceEntry& service = *it->second;
    if (contains(service.addresses, ip)) {
      because("Service {}/{}: spec.clusterIPs", *service.namespace_, *service.name);
      targets.push_back(name_of(service));
      continue;
    }
    for (const Slice& slice : service.slices) {
      for (const Endpoint& endpoint : slice.endpoints) {
        // A pod behind a ClusterIP has a name of its own only when it was given one.
        bool named = !endpoint.hostname.empty();
        if (endpoint.address != ip || (service.kind != Kind::headless && !named) ||
            service.kind == Kind::absent) {
          continue;
        }
        Name target = name_of(service, named ? endpoint.hostname : dashed(ip));
        if (contains(targets, target)) continue;
        because("EndpointSlice {}/{} of Service {}", *service.namespace_, slice.name, *service.name);
        targets.push_back(target);
      }
    }
  }
  if (targets.empty()) {
    out.kind = Answer::Kind::outside;
    because("no Service or endpoint has the address {}", ip.str());
    return;
  }
  if (type == Type::ptr) {
    for (const Name& target : targets) push_name(Type::ptr, target);
  } else {
    out.soa_owner = owner_ref;
  }
}

}  // namespace weft::dns
