#include "trace/ends.h"
#include "base/text.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

namespace weft::trace {
namespace {

/// Stands for everybody outside: of the ranges that are kept for documentation (RFC 5737, RFC 3849).
constexpr std::array<const char*, 2> kSomebody = {"203.0.113.1", "2001:db8::1"};

struct KindWord {
  std::string_view word;
  std::string_view kind;
};
constexpr std::array kWords = {
    KindWord{"pod", "Pod"},
    KindWord{"po", "Pod"},
    KindWord{"deployment", "Deployment"},
    KindWord{"deploy", "Deployment"},
    KindWord{"statefulset", "StatefulSet"},
    KindWord{"sts", "StatefulSet"},
    KindWord{"daemonset", "DaemonSet"},
    KindWord{"ds", "DaemonSet"},
    KindWord{"replicaset", "ReplicaSet"},
    KindWord{"rs", "ReplicaSet"},
    KindWord{"job", "Job"},
    KindWord{"cronjob", "CronJob"},
    KindWord{"cj", "CronJob"},
    KindWord{"node", "Node"},
    KindWord{"service", "Service"},
    KindWord{"svc", "Service"},
    KindWord{"gateway", "Gateway"},
    KindWord{"gtw", "Gateway"},
};

/// "deploy/shop/web" taken apart.
struct Reference {
  std::string kind;  ///< empty: none is written
  std::string namespace_, name;
  std::string key() const { return kind == "Node" ? name : key_of(namespace_, name); }
};

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> out(1);
  for (char c : text) {
    if (c == '/') {
      out.emplace_back();
    } else {
      out.back() += c;
    }
  }
  return out;
}

std::optional<Reference> parse_reference(std::string_view text, const std::string& ns) {
  auto parts = split(text);
  Reference out{.kind = {}, .namespace_ = ns, .name = parts.back()};
  if (std::ranges::any_of(parts, &std::string::empty) || parts.size() > 3) return std::nullopt;
  auto word = std::ranges::find(kWords, parts[0], &KindWord::word);
  if (parts.size() > 1 && word != kWords.end()) {
    out.kind = word->kind;
    if (parts.size() == 3) out.namespace_ = parts[1];
    return out;
  }
  if (parts.size() == 3) return std::nullopt;
  if (parts.size() == 2) out.namespace_ = parts[0];
  return out;
}

/// What there is instead, for the one who has mistyped.
template <class Map>
std::string choices(const Map& map) {
  std::string out;
  size_t count = 0;
  for (const auto& [key, value] : map) {
    if (++count > 5) return out + ", …";
    out += (out.empty() ? "" : ", ") + key;
  }
  return out.empty() ? "there are none" : "there are " + out;
}

Source source_of(const World& world, const std::string& key, const kube::Pod& pod) {
  Source out{.kind = Source::Kind::pod,
             .label = "Pod " + key,
             .pod = key,
             .node = pod.spec.nodeName,
             .addresses = {}};
  for (const auto& ip : pod.status.podIPs) {
    if (auto address = IpAddr::parse(ip.ip)) out.addresses.push_back(*address);
  }
  if (out.addresses.empty()) {
    if (auto address = IpAddr::parse(pod.status.podIP)) out.addresses.push_back(*address);
  }
  if (pod.spec.hostNetwork) out.addresses = world.facts_of(out.node).addresses;
  return out;
}

Expected<std::vector<Source>> sources_of(const World& world, const std::string& kind,
                                         const std::string& key) {
  auto at = world.workloads.find(kind + "/" + key);
  if (at == world.workloads.end()) {
    std::map<std::string, int> known;
    for (const auto& [name, pods] : world.workloads) known[name] = 0;
    return fail(ErrorCode::not_found, fmt::format("FROM: there is no {} {}: {}", kind, key, choices(known)));
  }
  std::vector<Source> out;
  std::set<std::string> nodes;
  for (const auto& pod : at->second) {
    auto source = source_of(world, pod, *world.pods.at(pod));
    if (nodes.insert(source.node).second) out.push_back(std::move(source));
  }
  if (out.empty()) return fail(ErrorCode::not_found, fmt::format("FROM: {} {} has no pods", kind, key));
  return out;
}

Source somebody() {
  Source out{
      .label = "somebody outside the cluster", .pod = {}, .node = {}, .stated = false, .addresses = {}};
  for (const char* text : kSomebody) out.addresses.push_back(*IpAddr::parse(text));
  return out;
}

Source source_at(const World& world, const IpAddr& address) {
  if (auto pod = world.pod_at.find(address); pod != world.pod_at.end()) {
    auto out = source_of(world, pod->second, *world.pods.at(pod->second));
    out.addresses = {address};
    return out;
  }
  if (auto node = world.node_at.find(address); node != world.node_at.end())
    return {.kind = Source::Kind::node,
            .label = "Node " + node->second,
            .pod = {},
            .node = node->second,
            .addresses = {address}};
  return {.label = address.str() + ", outside the cluster", .pod = {}, .node = {}, .addresses = {address}};
}

std::optional<uint16_t> parse_port(std::string_view text) {
  unsigned port = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port < 1 || port > 65535)
    return std::nullopt;
  return static_cast<uint16_t>(port);
}

/// "host", "host:80", "[::1]:80", "::1" into host, address and port.
Expected<void> parse_host(std::string_view text, Destination& out) {
  if (auto address = IpAddr::parse(text)) {
    out.address = address;
    out.host = address->is_v6() ? fmt::format("[{}]", text) : std::string(text);
    return {};
  }
  auto colon = text.rfind(':');
  auto host = text.substr(0, colon);
  if (colon != text.npos && !(text.starts_with('[') && text.ends_with(']'))) {
    out.port = parse_port(text.substr(colon + 1));
    if (!out.port)
      return fail(ErrorCode::invalid, fmt::format("TO: \"{}\" has no port after its colon", text));
  } else {
    host = text;
  }
  out.host = host;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  out.address = IpAddr::parse(host);
  if (!out.address && !dns::Name::parse(host))
    return fail(ErrorCode::invalid, fmt::format("TO: \"{}\" is neither a name nor an address", host));
  if (host.empty()) return fail(ErrorCode::invalid, "TO: the host is missing");
  return {};
}

Expected<Destination> parse_url(std::string_view text, std::string_view scheme) {
  Destination out{.label = std::string(text),
                  .scheme = std::string(scheme),
                  .host = {},
                  .key = {},
                  .address = {},
                  .port = {}};
  auto rest = text.substr(scheme.size() + 3);
  auto end = rest.find_first_of("/?#");
  auto path = end == rest.npos ? std::string_view() : rest.substr(end);
  path = path.substr(0, path.find('#'));
  if (!path.empty()) out.path = path.starts_with('/') ? std::string(path) : "/" + std::string(path);
  auto authority = rest.substr(0, end);
  if (auto at = authority.find('@'); at != authority.npos) authority = authority.substr(at + 1);
  WEFT_CHECK(parse_host(authority, out));
  out.host = lower(out.host);
  if (out.address) out.kind = Destination::Kind::address;
  if (!out.port) out.port = scheme == "https" ? 443 : 80;
  return out;
}

Expected<Destination> named_destination(const World& world, const Reference& reference,
                                        std::optional<uint16_t> port) {
  auto key = reference.key();
  Destination out{.label = fmt::format("{} {}{}", reference.kind, key, port ? fmt::format(":{}", *port) : ""),
                  .scheme = {},
                  .host = {},
                  .key = key,
                  .address = {},
                  .port = port};
  auto look_in = [&](Destination::Kind kind, const auto& all) -> Expected<Destination> {
    out.kind = kind;
    if (all.contains(key)) return out;
    return fail(ErrorCode::not_found,
                fmt::format("TO: there is no {} {}: {}", reference.kind, key, choices(all)));
  };
  if (reference.kind == "Pod") return look_in(Destination::Kind::pod, world.pods);
  if (reference.kind == "Service") return look_in(Destination::Kind::service, world.services);
  if (reference.kind == "Gateway") return look_in(Destination::Kind::gateway, world.gateways);
  if (reference.kind == "Node") return look_in(Destination::Kind::node, world.nodes);
  return fail(ErrorCode::invalid,
              fmt::format("TO: a {} has no address; name its Service, or one of its pods", reference.kind));
}

}  // namespace

std::optional<IpAddr> Source::address_for(const IpAddr& peer) const {
  auto at = std::ranges::find(addresses, peer.is_v4(), &IpAddr::is_v4);
  return at == addresses.end() ? std::nullopt : std::optional(*at);
}

Expected<std::vector<Source>> parse_source(const World& world, std::string_view text, const std::string& ns) {
  if (text == "outside") return std::vector{somebody()};
  if (auto address = IpAddr::parse(text)) return std::vector{source_at(world, *address)};
  auto reference = parse_reference(text, ns);
  if (!reference)
    return fail(
        ErrorCode::invalid,
        fmt::format("FROM \"{}\": expected NAMESPACE/POD, deployment/NAME, node/NAME, an address or outside",
                    text));
  auto key = reference->key();
  if (reference->kind == "Node") {
    if (!world.nodes.contains(key))
      return fail(ErrorCode::not_found,
                  fmt::format("FROM: there is no node {}: {}", key, choices(world.nodes)));
    return std::vector{Source{.kind = Source::Kind::node,
                              .label = "Node " + key,
                              .pod = {},
                              .node = key,
                              .addresses = world.facts_of(key).addresses}};
  }
  if (reference->kind == "Service" || reference->kind == "Gateway")
    return fail(ErrorCode::invalid,
                fmt::format("FROM \"{}\": a {} begins no connections", text, reference->kind));
  if (!reference->kind.empty() && reference->kind != "Pod") return sources_of(world, reference->kind, key);
  auto pod = world.pods.find(key);
  if (pod == world.pods.end())
    return fail(ErrorCode::not_found, fmt::format("FROM: there is no pod {}: {}", key, choices(world.pods)));
  return std::vector{source_of(world, key, *pod->second)};
}

Expected<Destination> parse_destination(const World& world, std::string_view text, const std::string& ns) {
  if (auto end = text.find("://"); end != text.npos) {
    auto scheme = text.substr(0, end);
    if (scheme != "http" && scheme != "https")
      return fail(ErrorCode::invalid,
                  fmt::format("TO \"{}\": of URLs only http:// and https:// are known", text));
    return parse_url(text, scheme);
  }
  if (!text.contains('/')) {
    Destination out{
        .label = std::string(text), .scheme = {}, .host = {}, .key = {}, .address = {}, .port = {}};
    WEFT_CHECK(parse_host(text, out));
    if (out.address) out.kind = Destination::Kind::address;
    return out;
  }
  std::optional<uint16_t> port;
  if (auto colon = text.rfind(':'); colon != text.npos) {
    port = parse_port(text.substr(colon + 1));
    if (port) text = text.substr(0, colon);
  }
  auto reference = parse_reference(text, ns);
  if (!reference)
    return fail(
        ErrorCode::invalid,
        fmt::format("TO \"{}\": expected a URL, a name, an address, service/NAME, pod/NAME, gateway/NAME or "
                    "node/NAME",
                    text));
  if (reference->kind.empty()) reference->kind = world.pods.contains(reference->key()) ? "Pod" : "Service";
  return named_destination(world, *reference, port);
}

}  // namespace weft::trace
