#include "policy/peer.h"

#include <algorithm>

namespace weft::policy {
namespace {

MatcherPtr finish(PeerMatcher matcher, std::string key) {
  matcher.key = std::move(key);
  return std::make_shared<const PeerMatcher>(std::move(matcher));
}

bool matches_labels(const PeerMatcher& matcher, const Peer& peer) {
  bool in_namespace = matcher.namespaces ? matcher.namespaces->matches(peer.namespace_labels)
                                         : matcher.namespace_ == peer.namespace_;
  return in_namespace && matcher.labels.matches(peer.labels);
}

bool has_port(const PeerMatcher& matcher, const Peer& peer) {
  return std::ranges::any_of(peer.ports, [&](const NamedPort& port) { return port.name == matcher.name; });
}

/// Every network and exception of a policy counts for Peer::network, so none of them is cut through by it.
bool matches_network(const PeerMatcher& matcher, const Peer& peer) {
  if (!peer.network || !matcher.network.contains(*peer.network)) return false;
  return std::ranges::none_of(matcher.except,
                              [&](const IpPrefix& except) { return except.contains(*peer.network); });
}

}  // namespace

bool PeerMatcher::matches(const Peer& peer) const {
  switch (kind) {
    case Kind::pods:
      return peer.pod && matches_labels(*this, peer);
    case Kind::network:
      return matches_network(*this, peer);
    case Kind::nodes:
      return std::ranges::binary_search(peer.nodes, key);
    case Kind::domain:
      return std::ranges::binary_search(peer.domains, name);
    case Kind::port:
      return peer.pod && has_port(*this, peer);
  }
  return false;
}

bool PeerMatcher::matches_dns(const Peer& peer) const {
  if (!peer.dns || matches(peer)) return false;
  return kind == Kind::pods ? matches_labels(*this, peer) : kind == Kind::port && has_port(*this, peer);
}

MatcherPtr pods_of(std::string namespace_, kube::Selector labels) {
  auto key = "pods " + namespace_ + "|" + labels.str();
  PeerMatcher matcher{.kind = PeerMatcher::Kind::pods};
  matcher.namespace_ = std::move(namespace_);
  matcher.labels = std::move(labels);
  return finish(std::move(matcher), std::move(key));
}

MatcherPtr pods_of(kube::Selector namespaces, kube::Selector labels) {
  auto key = "pods in " + namespaces.str() + "|" + labels.str();
  PeerMatcher matcher{.kind = PeerMatcher::Kind::pods};
  matcher.namespaces = std::move(namespaces);
  matcher.labels = std::move(labels);
  return finish(std::move(matcher), std::move(key));
}

MatcherPtr addresses_of(IpPrefix network, std::vector<IpPrefix> except) {
  std::ranges::sort(except);
  auto key = "network " + network.str();
  for (const auto& part : except) key += " -" + part.str();
  PeerMatcher matcher{.kind = PeerMatcher::Kind::network};
  matcher.network = network;
  matcher.except = std::move(except);
  return finish(std::move(matcher), std::move(key));
}

MatcherPtr nodes_with(kube::Selector labels) {
  auto key = "nodes " + labels.str();
  PeerMatcher matcher{.kind = PeerMatcher::Kind::nodes};
  matcher.labels = std::move(labels);
  return finish(std::move(matcher), std::move(key));
}

MatcherPtr addresses_named(std::string name) {
  auto key = "domain " + name;
  PeerMatcher matcher{.kind = PeerMatcher::Kind::domain};
  matcher.name = std::move(name);
  return finish(std::move(matcher), std::move(key));
}

MatcherPtr pods_with_port(std::string name) {
  auto key = "port " + name;
  PeerMatcher matcher{.kind = PeerMatcher::Kind::port};
  matcher.name = std::move(name);
  return finish(std::move(matcher), std::move(key));
}

std::string domain_name(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

bool domain_matches(std::string_view pattern, std::string_view name) {
  if (!pattern.starts_with("*.")) return pattern == name;
  pattern.remove_prefix(1);
  return name.size() > pattern.size() && name.ends_with(pattern);
}

}  // namespace weft::policy
