#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/ip.h"
#include "kube/meta.h"
#include "kube/selector.h"

/// Whom policies speak of: what they can tell of an address, and how they choose among addresses.
namespace weft::policy {

/// The cluster's DNS: the endpoints of this Service, whatever they are. Where they are no pods but on nodes'
/// own network, as with NodeLocal DNSCache and with `weft up`, policies could name them by addresses only,
/// and what everybody writes to let pods ask for names (pods of kube-system, pods with this label) would keep
/// them from it. So such an address stands for a pod of that namespace with that label and these named ports
/// as well: in rules for what pods send, and for these ports alone.
inline constexpr const char* kDnsNamespace = "kube-system";
inline constexpr const char* kDnsService = "kube-dns";
inline constexpr std::pair kDnsLabel{"k8s-app", "kube-dns"};
inline constexpr uint16_t kDnsPort = 53;

/// A port of a pod's container that has a name.
struct NamedPort {
  std::string name;
  uint8_t protocol = 0;  ///< IPPROTO_…
  uint16_t port = 0;
  auto operator<=>(const NamedPort&) const = default;
};

/// All that policies can tell of an address. Addresses of which it is the same have the same identity.
struct Peer {
  bool pod = false;  ///< the next four are a pod's
  bool dns = false;  ///< or, without a pod, those of the one that the cluster's DNS there stands for
  std::string namespace_;
  kube::StringMap namespace_labels;
  kube::StringMap labels;
  std::vector<NamedPort> ports;      ///< sorted
  std::vector<std::string> nodes;    ///< keys of the node matchers that match the address's node, sorted
  std::optional<IpPrefix> network;   ///< the smallest network of any policy that contains the address; it
                                     ///< stands for all larger ones
  std::vector<std::string> domains;  ///< names that policies ask for and that have the address, sorted
  auto operator<=>(const Peer&) const = default;
};

/// One way in which a rule chooses peers. Matchers with the same key match the same.
struct PeerMatcher {
  enum class Kind : uint8_t {
    pods,     ///< of `namespace_`, or of namespaces that `namespaces` matches, with labels
    network,  ///< addresses of `network` that are in none of `except`
    nodes,    ///< addresses of nodes with labels
    domain,   ///< addresses that `name` has
    port,     ///< pods with a port that is named `name`
  };
  Kind kind = Kind::pods;
  std::string namespace_;
  std::optional<kube::Selector> namespaces;
  kube::Selector labels;
  IpPrefix network;
  std::vector<IpPrefix> except;
  std::string name;
  std::string key;

  bool matches(const Peer& peer) const;
  /// Whether of a peer that does not match its DNS is meant.
  bool matches_dns(const Peer& peer) const;
};
using MatcherPtr = std::shared_ptr<const PeerMatcher>;

MatcherPtr pods_of(std::string namespace_, kube::Selector labels);
MatcherPtr pods_of(kube::Selector namespaces, kube::Selector labels);
/// Prefixes with the bits behind their lengths cleared.
MatcherPtr addresses_of(IpPrefix network, std::vector<IpPrefix> except);
MatcherPtr nodes_with(kube::Selector labels);
/// `name` as domain_name() gives it.
MatcherPtr addresses_named(std::string name);
MatcherPtr pods_with_port(std::string name);

/// In lower case, without the dot at the end.
std::string domain_name(std::string_view text);
/// Whether a policy that asks for `pattern` means `name`; "*." stands for one label or more. Both as
/// domain_name() gives them.
bool domain_matches(std::string_view pattern, std::string_view name);

}  // namespace weft::policy
