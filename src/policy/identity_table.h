#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/ip.h"
#include "policy/peer.h"
#include "policy/pod_facts.h"

namespace weft::policy {

/// Addresses that policies can tell nothing apart of.
struct Identity {
  uint32_t number = 0;
  Peer peer;
  size_t prefixes = 0;                 ///< that have it
  std::vector<uint32_t> matchers;      ///< of those in use, those that match it; sorted. Kept by MatcherTable
  std::vector<uint32_t> dns_matchers;  ///< likewise those that mean its DNS alone
};

/// What a settling of the table changed.
struct IdentityChanges {
  std::vector<std::pair<IpPrefix, uint32_t>> put;  ///< prefixes with a new or another identity
  std::vector<IpPrefix> removed;
  /// Of each prefix that had one before: from which identity to which.
  std::set<std::pair<uint32_t, uint32_t>> moved;
  std::vector<uint32_t> made;    ///< identities that are new
  std::vector<uint32_t> unused;  ///< identities that no prefix has any more; forget() them
};

/// Identities by address prefix, to be found by longest match: pods' addresses, the networks that policies
/// name, addresses of nodes and of names that policies ask for. Changes are noted when they are told and
/// worked out in settle().
class IdentityTable {
 public:
  /// A pod in place of what it was before; either may be nullptr.
  void change_pod(const PodPtr& before, const PodPtr& now);
  /// The pods' namespaces have these labels from now on.
  void set_namespace(const std::string& name, const kube::StringMap& labels, const std::vector<PodPtr>& pods);
  void set_node(const std::string& name, const kube::StringMap& labels, std::vector<IpAddr> addresses);
  void erase_node(const std::string& name);
  /// Where the cluster's DNS answers.
  void set_dns(std::set<IpAddr> addresses);
  /// What policies name; to be taken back as often as it was added.
  void add_network(const IpPrefix& network);
  void remove_network(const IpPrefix& network);
  void add_node_matcher(const MatcherPtr& matcher);
  void remove_node_matcher(const MatcherPtr& matcher);
  void add_domain(const std::string& pattern);
  void remove_domain(const std::string& pattern);
  /// What was learned of names; as domain_name() gives them.
  void learn(const std::string& name, const IpAddr& address);
  void unlearn(const std::string& name, const IpAddr& address);

  IdentityChanges settle();
  void forget(uint32_t number);

  const Identity* find(uint32_t number) const;
  Identity* find(uint32_t number);
  /// By longest match; WEFT_IDENTITY_ANY where nothing is known of the address.
  uint32_t identity_of(const IpAddr& address) const;
  /// The pod that has the address; of several the one that has it now. nullptr: none.
  PodPtr pod_at(const IpAddr& address) const;
  /// All prefixes with their identities, in order.
  std::vector<std::pair<IpPrefix, uint32_t>> prefixes() const;
  const std::unordered_map<uint32_t, Identity>& all() const { return identities_; }
  /// Names and patterns that policies ask for, with how many ask.
  const std::map<std::string, uint32_t>& domains() const { return domains_; }

 private:
  /// All that is known of one prefix.
  struct Place {
    std::vector<PodPtr> pods;
    std::vector<std::string> nodes;
    std::set<std::string> names;
    bool dns = false;
    uint32_t networks = 0;  ///< policies name it so often
    uint32_t guards = 0;    ///< so many IPv6 networks of policies would hold it, seen as v4-mapped
    std::optional<uint32_t> identity;
    bool unknown() const {
      return pods.empty() && nodes.empty() && names.empty() && !dns && networks == 0 && guards == 0;
    }
  };
  struct NodeFacts {
    kube::StringMap labels;
    std::vector<IpAddr> addresses;
    std::vector<std::string> matchers;  ///< keys of those that match it, sorted
  };

  Place& touch(const IpPrefix& prefix);
  Place& touch(const IpAddr& address) { return touch(IpPrefix{address, address.bits()}); }
  void touch_all_in(const IpPrefix& network);
  void touch_learned(const std::string& pattern);
  void change_network(const IpPrefix& network, int by);
  void match_node(NodeFacts& node);
  std::optional<IpPrefix> smallest_network(const IpPrefix& prefix) const;
  std::vector<std::string> domains_of(const Place& place) const;
  std::optional<Peer> peer_at(const IpPrefix& prefix, const Place& place) const;
  uint32_t number_of(Peer peer, IdentityChanges& changes);
  static PodPtr owner(const Place& place);

  std::map<IpPrefix, Place> places_;
  std::set<IpPrefix> touched_;
  std::map<std::string, kube::StringMap> namespaces_;
  std::map<std::string, NodeFacts> nodes_;
  std::set<IpAddr> dns_;
  std::array<std::array<uint32_t, 129>, 2> lengths_{};  ///< how many networks there are, by family and length
  std::map<std::string, std::pair<MatcherPtr, uint32_t>> node_matchers_;  ///< with their counts, by key
  std::map<std::string, uint32_t> domains_;
  std::map<std::string, std::set<IpAddr>> learned_;
  std::map<Peer, uint32_t> by_peer_;
  std::unordered_map<uint32_t, Identity> identities_;
};

}  // namespace weft::policy
