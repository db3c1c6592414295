#include <fmt/core.h>
#include <fmt/ranges.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>

#include "dns/plan.h"
#include "gateway/infrastructure.h"
#include "gateway/route/host_table.h"
#include "trace/hints.h"
#include "trace/walk.h"

/// From a name to addresses: the steps of a C library by the pod's resolv.conf, and the zone's answers.
namespace weft::trace {
namespace {

constexpr uint16_t kDnsPort = 53;

std::string read(const dns::Answer& answer, dns::Answer::NameRef ref) {
  dns::Name name;
  name.append(answer.name(ref));
  auto text = name.str();
  if (text.ends_with('.')) text.pop_back();
  return text;
}

size_t ndots_of(const kube::ResolvConf& conf) {
  for (const auto& option : conf.options) {
    size_t dots = 0;
    if (option.starts_with("ndots:") &&
        std::from_chars(option.data() + 6, option.data() + option.size(), dots).ec == std::errc())
      return std::min<size_t>(dots, 15);
  }
  return 1;
}

/// Names in the order in which they are asked for (resolv.conf(5)).
std::vector<std::string> candidates(const kube::ResolvConf& conf, const std::string& host) {
  if (host.ends_with('.')) return {host};
  auto dots = static_cast<size_t>(std::ranges::count(host, '.'));
  bool first = dots >= ndots_of(conf);
  std::vector<std::string> out;
  if (first) out.push_back(host);
  for (const auto& search : conf.searches) out.push_back(host + "." + search);
  if (!first) out.push_back(host);
  return out;
}

/// The Service that a pod would mean by "NAME.NAMESPACE…"; empty: none.
std::string named_service(const World& world, std::string_view host) {
  auto first = host.find('.');
  if (first == host.npos) return {};
  auto rest = host.substr(first + 1);
  auto key = key_of(rest.substr(0, rest.find('.')), host.substr(0, first));
  return world.services.contains(key) ? key : std::string();
}

}  // namespace

Hop Walk::resolve(const std::string& host, std::vector<IpAddr>& out) {
  if (auto pod = world_.pods.find(source_.pod); pod != world_.pods.end())
    return resolve_in_pod(*pod->second, host, out);
  auto hop = make_hop("name", host);
  hop.notes.push_back(source_.kind == Source::Kind::node ? "a node does not ask the cluster's DNS"
                                                         : "outside, the cluster's DNS is not asked");
  resolve_outside(host, hop, out);
  return hop;
}

Hop Walk::resolve_in_pod(const kube::Pod& pod, const std::string& host, std::vector<IpAddr>& out) {
  auto hop = make_hop("name", host);
  if (is_in_hosts_file(pod, host, hop, out)) return hop;
  auto dns = kube::pod_dns(pod, world_.dns, {});
  auto policy = pod.spec.dnsPolicy.empty() ? "ClusterFirst" : pod.spec.dnsPolicy;
  auto file =
      make_hop("conf",
               fmt::format("resolv.conf: search {}; ndots {}; asks {}", fmt::join(dns.conf.searches, " "),
                           ndots_of(dns.conf), fmt::join(dns.conf.nameservers, ", ")),
               {world_.origins.find("Pod", source_.pod, "spec.dnsPolicy")});
  for (const auto& warning : dns.warnings) file.notes.push_back(warning);
  if (dns.conf.nameservers.empty()) {
    file.text = fmt::format("dnsPolicy {}: the DNS servers of {}, which know no names of the cluster", policy,
                            source_.node);
    hop.hops.push_back(std::move(file));
    resolve_outside(host, hop, out);
    if (hop.ends())
      hop.outcome.fix =
          "for names of the cluster set spec.dnsPolicy: ClusterFirst (on the host's network: "
          "ClusterFirstWithHostNet)";
    return hop;
  }
  hop.hops.push_back(std::move(file));
  if (!may_ask(dns.conf, hop)) return hop;
  for (const auto& name : candidates(dns.conf, host)) {
    if (ask(name, hop, out)) break;
  }
  if (!out.empty()) {
    std::vector<std::string> texts;
    for (const auto& address : out) texts.push_back(address.str());
    hop.text = fmt::format("{} is {}", host, fmt::join(texts, ", "));
  } else if (!hop.ends()) {
    miss(host, hop);
  }
  return hop;
}

bool Walk::is_in_hosts_file(const kube::Pod& pod, const std::string& host, Hop& hop,
                            std::vector<IpAddr>& out) const {
  if (host == "localhost") {
    hop.end(Verdict::unknown, "localhost is the pod itself; what listens there no object says");
    return true;
  }
  std::string part;
  for (size_t i = 0; i < pod.spec.hostAliases.size(); ++i) {
    const auto& alias = pod.spec.hostAliases[i];
    if (std::ranges::find(alias.hostnames, host) == alias.hostnames.end()) continue;
    if (auto address = IpAddr::parse(alias.ip)) out.push_back(*address);
    part = fmt::format("spec.hostAliases[{}]", i);
  }
  auto own = kube::pod_name(pod, world_.dns.domain);
  if (out.empty() && own && (own->hostname == host || own->fqdn == host)) {
    for (const auto& ip : pod.status.podIPs) {
      if (auto address = IpAddr::parse(ip.ip)) out.push_back(*address);
    }
    part = "spec.hostname";
  }
  if (out.empty()) return false;
  hop.text = fmt::format("{} is {}, by /etc/hosts", host, out.front().str());
  hop.by.push_back(world_.origins.find("Pod", source_.pod, part));
  return true;
}

/// Whether a question gets to one of the servers; the hop has the way to the first, or to the one that works.
bool Walk::may_ask(const kube::ResolvConf& conf, Hop& hop) {
  std::vector<Hop> tries;
  Request question{.protocol = IPPROTO_UDP, .port = kDnsPort, .method = {}, .headers = {}};
  for (const auto& server : conf.nameservers) {
    auto address = IpAddr::parse(server);
    if (!address || !source_.address_for(*address)) continue;
    auto way = Walk(world_, source_, to_, question).connect({*address, kDnsPort});
    auto ask = make_hop("ask", fmt::format("{} by UDP", server));
    ask.outcome = way.outcome;
    bool ours = std::ranges::find(world_.dns.addresses, server) != world_.dns.addresses.end();
    // Behind the Service stands what answers; on nodes no object says that it is there.
    if (ours && ask.outcome.verdict == Verdict::unknown) ask.outcome = {};
    ask.hops.push_back(std::move(way));
    if (!ours && !ask.ends()) {
      ask.end(Verdict::unknown, fmt::format("what the DNS server {} answers no object says", server));
      ask.hops.clear();
    }
    tries.push_back(std::move(ask));
    if (!tries.back().ends()) break;
  }
  if (tries.empty()) {
    hop.end(Verdict::no_way,
            fmt::format("{} has no address of the family of its DNS servers", source_.label));
    return false;
  }
  auto works = std::ranges::find_if(tries, [](const Hop& one) { return !one.ends(); });
  bool asked = works != tries.end();
  hop.hops.push_back(asked ? std::move(*works) : std::move(tries.front()));
  auto& ask = hop.hops.back();
  // In a trace of something else the way to the DNS server is of interest only when it does not work.
  if (asked) {
    ask.text +=
        fmt::format(", by {}", ask.hops.empty() || ask.hops[0].by.empty() ? "it" : ask.hops[0].by[0].str());
    ask.hops.clear();
    return true;
  }
  if (ask.outcome.verdict == Verdict::denied) {
    ask.outcome.reason = "DNS cannot be asked: " + ask.outcome.reason;
    ask.outcome.fix += "; allow UDP and TCP port 53";
  }
  hop.outcome = ask.outcome;
  return false;
}

bool Walk::ask(const std::string& name, Hop& hop, std::vector<IpAddr>& out) {
  auto parsed = dns::Name::parse(name);
  if (!parsed) return false;
  auto step = make_hop("answer", "");
  dns::Answer answer;
  bool exists = false;
  for (auto type : {dns::Type::a, dns::Type::aaaa}) {
    answer.clear();
    answer.explain = true;
    world_.zone.resolve(*parsed, type, answer);
    if (answer.kind == dns::Answer::Kind::outside) {
      resolve_outside(name, hop, out);
      return true;
    }
    if (answer.kind == dns::Answer::Kind::chased) {
      auto target = answer.chase.str();
      step.text = fmt::format("{} is another name for {}", name, target);
      hop.hops.push_back(std::move(step));
      if (target.ends_with('.')) target.pop_back();
      resolve_outside(target, hop, out);
      return true;
    }
    exists = exists || answer.rcode == dns::Rcode::noerror;
    for (const auto& record : answer.answer) {
      if (record.type == dns::Type::cname) {
        auto note =
            fmt::format("{} is another name for {}", read(answer, record.owner), read(answer, record.target));
        if (std::ranges::find(step.notes, note) == step.notes.end()) step.notes.push_back(std::move(note));
      }
      if (record.type != dns::Type::a && record.type != dns::Type::aaaa) continue;
      if (std::ranges::find(out, record.address) == out.end()) out.push_back(record.address);
    }
    for (const auto& why : answer.why) {
      // "Service shop/backend: spec.clusterIPs"
      auto space = why.find(' ');
      auto colon = why.find(": ");
      if (space == why.npos || colon == why.npos || colon < space) continue;
      auto ref = world_.origins.find(why.substr(0, space), why.substr(space + 1, colon - space - 1),
                                     why.substr(colon + 2));
      if (std::ranges::find(step.by, ref) == step.by.end()) step.by.push_back(std::move(ref));
    }
  }
  if (out.empty()) {
    step.text =
        fmt::format("{}: {}", name, exists ? "exists, without an address" : "no such name (NXDOMAIN)");
    step.by.clear();
  } else {
    std::vector<std::string> texts;
    for (const auto& address : out) texts.push_back(address.str());
    step.text = fmt::format("{} is {}", name, fmt::join(texts, ", "));
  }
  hop.hops.push_back(std::move(step));
  return !out.empty();
}

void Walk::miss(const std::string& host, Hop& hop) const {
  auto ns = source_.pod.substr(0, source_.pod.find('/'));
  auto hint = why_no_name(world_, host, ns);
  hop.end(Verdict::no_name, std::move(hint.reason), std::move(hint.fix));
}

/// What names outside the cluster mean no object says. A name that a Gateway's route or an Ingress is for is
/// taken to lead there.
void Walk::resolve_outside(const std::string& asked, Hop& hop, std::vector<IpAddr>& out) {
  auto host = asked.ends_with('.') ? asked.substr(0, asked.size() - 1) : asked;
  size_t best = 0;
  const RouteNames* found = nullptr;
  for (const auto& route : world_.routes) {
    for (const auto& hostname : route.hostnames) {
      if (hostname.empty() || !gateway::takes_host(hostname, host) || hostname.size() < best) continue;
      if (found && hostname.size() == best) continue;
      best = hostname.size();
      found = &route;
    }
  }
  std::string gateway;
  if (found && found->kind == "Ingress") gateway = gateway::kIngressGateway;
  if (found && gateway.empty()) {
    for (const auto& parent : world_.gateway_plan.route_parents(found->kind, found->key)) {
      auto ns = parent.parentRef.namespace_.empty() ? found->key.substr(0, found->key.find('/'))
                                                    : parent.parentRef.namespace_;
      if (parent.parentRef.kind.value_or("Gateway") == "Gateway") gateway = key_of(ns, parent.parentRef.name);
    }
  }
  for (const auto& [key, service] : world_.services) {
    if (gateway.empty() || gateway::gateway_of(*service) != gateway) continue;
    for (const auto& way : service->status.loadBalancer.ingress) {
      if (auto address = IpAddr::parse(way.ip)) out.push_back(*address);
    }
  }
  auto step = make_hop("answer", "");
  if (!out.empty()) {
    name_taken_ = true;
    step.text = fmt::format("{} is taken to lead to {}, as {} {} is for it", host, out.front().str(),
                            found->kind, found->key);
    step.by.push_back(world_.origins.find(found->kind, found->key,
                                          found->kind == "Ingress" ? "spec.rules" : "spec.hostnames"));
    if (gateway != gateway::kIngressGateway) step.by.push_back(world_.origins.find("Gateway", gateway));
    hop.text = fmt::format("{} is {}", host, out.front().str());
    hop.hops.push_back(std::move(step));
    return;
  }
  if (found && !gateway.empty()) {
    step.text = fmt::format("{} is for {} {}, whose Gateway {} has no address", host, found->kind, found->key,
                            gateway);
    auto end = unserved(gateway, {.port = *request_.port, .udp = false});
    step.outcome = end.outcome;
    step.by = end.by;
    hop.outcome = step.outcome;
    hop.hops.push_back(std::move(step));
    return;
  }
  if (!host.contains('.')) {
    hop.hops.push_back(
        make_hop("answer", fmt::format("{}: nobody outside the cluster has a name of one label", host)));
    return miss(host, hop);
  }
  hop.end(Verdict::unknown,
          fmt::format("{} is a name outside the cluster; what it stands for no object says", host));
  if (source_.pod.empty()) {
    if (auto key = named_service(world_, host); !key.empty())
      hop.outcome.fix = fmt::format("names of Services are known to pods alone: ask for service/{}", key);
    return;
  }
  auto hint = why_no_name(world_, host, source_.pod.substr(0, source_.pod.find('/')));
  if (hint.fix.starts_with("there is")) hop.outcome.fix = std::move(hint.fix);
}

}  // namespace weft::trace
