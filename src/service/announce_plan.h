#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/ip.h"
#include "kube/node.h"
#include "kube/service.h"
#include "service/plan.h"

/// Which node announces a load balancer's address. Pure: objects and who is alive in, owners with their
/// reasons out.
namespace weft::service {

/// What of a Node matters here.
struct AnnounceNode {
  std::vector<IpAddr> addresses;  ///< its InternalIPs, IPv4 first
  bool excluded = false;          ///< labelled node.kubernetes.io/exclude-from-external-load-balancers
  bool ready = false;             ///< by its condition
  bool operator==(const AnnounceNode&) const = default;
};
AnnounceNode announce_node(const kube::Node& node);

/// The addresses of a Service that are for Weft's nodes to announce: of type LoadBalancer, without class or
/// with ours, in its status in VIP mode.
std::vector<IpAddr> announced_addresses(const kube::Service& service);

/// Nodes with an endpoint that external traffic may use under policy Local (as in plan.h), for one family.
std::set<std::string> nodes_with_endpoints(const kube::Service& service,
                                           const std::map<std::string, SlicePtr>& slices, bool v6);

/// Who announces an address.
struct Announcement {
  std::string owner;    ///< empty: nobody may
  std::string speaker;  ///< then this living node says so
  bool operator==(const Announcement&) const = default;
};

/// Decides for every address of the cluster, one event at a time. All planners that know the same decide the
/// same, by rendezvous hashing: each node's claim to an address is a hash of both, the highest living one
/// wins, so that an address moves only when its owner goes or a better claim comes. The cost of an event is
/// that of the addresses it touches (a new node: one hash an address).
///
/// With externalTrafficPolicy Local only nodes with an endpoint may announce; if none has one, all may, so
/// that clients are refused. Services that share an address are all served by whoever has endpoints of each,
/// if such a node lives, else by one that has some.
class AnnouncePlanner {
 public:
  using Changes = std::set<IpAddr>;  ///< with another announcement, or of other Services

  /// Until `begin`, and after `end`, what happens is only taken note of, and nothing is announced.
  Changes begin(std::set<std::string> alive);
  Changes end();

  Changes service_changed(const std::string& key, ServicePtr service);
  /// `service`: key of the one it belongs to. nullptr: gone.
  Changes slice_changed(const std::string& service, const std::string& slice, SlicePtr after);
  Changes node_changed(const std::string& name, std::optional<AnnounceNode> node);
  Changes alive_changed(const std::string& name, bool alive);

  /// Of an address that is nobody's: the empty announcement.
  const Announcement& announcement(const IpAddr& addr) const;
  std::vector<ServicePtr> services_of(const IpAddr& addr) const;
  bool empty() const { return addresses_.empty(); }
  /// One line for people: what is special about its owner, or why nobody announces it; may be empty in the
  /// first case.
  std::string why(const IpAddr& addr) const;
  /// Which node would announce it if all were alive; empty if none may.
  std::string first_choice(const IpAddr& addr) const;
  std::vector<IpAddr> addresses() const;

 private:
  using Names = std::set<std::string>;
  struct NodeRecord {
    AnnounceNode facts;
    uint64_t hash = 0;
  };
  struct ServiceRecord {
    ServicePtr service;
    std::vector<IpAddr> addresses;
    std::optional<Names> nodes4, nodes6;  ///< that may announce; nothing: all
  };
  struct AddressRecord {
    uint64_t hash = 0;
    std::set<std::string> services;
    std::optional<Names> may;     ///< announce it; nothing: all
    std::optional<Names> better;  ///< those of them that have endpoints of all its Services; nothing: all
    Announcement announcement;
    std::vector<std::string> claimants;  ///< whose life and death may change the announcement
  };
  /// A node's claim to an address: the highest wins.
  struct Claim {
    bool better = false;
    uint64_t hash = 0;
    auto operator<=>(const Claim&) const = default;
  };

  static Claim claim_of(const NodeRecord& node, const std::string& name, const AddressRecord& address);
  bool may_announce(const NodeRecord& node, const std::string& name, const AddressRecord& address) const;
  void scope(const IpAddr& addr, AddressRecord& record) const;
  void restrict(ServiceRecord& record, const std::string& key) const;
  void attach(const std::string& key, const ServiceRecord& record, Changes& changes);
  void detach(const std::string& key, const ServiceRecord& record, Changes& changes);
  void rescope(const IpAddr& addr, Changes& changes);
  void decide(const IpAddr& addr, Changes& changes);
  void settle(AddressRecord& record, const IpAddr& addr);
  std::string speaker_for(const AddressRecord& record) const;
  void forget_claims(AddressRecord& record, const IpAddr& addr);
  void decide_orphans(Changes& changes);
  void decide_claims_of(const std::string& node, Changes& changes);
  void welcome(const std::string& name, const NodeRecord& node, Changes& changes);
  std::string objection(const std::string& name, const NodeRecord& node, const AddressRecord& record) const;

  bool begun_ = false;
  Names alive_;
  std::map<std::string, NodeRecord> nodes_;
  std::map<IpAddr, std::set<std::string>> node_addresses_;  ///< never announced: they are somebody's already
  std::unordered_map<std::string, std::map<std::string, SlicePtr>> slices_;  ///< by Service
  std::unordered_map<std::string, ServiceRecord> services_;                  ///< those with addresses
  std::unordered_map<IpAddr, AddressRecord> addresses_;
  std::unordered_map<std::string, std::set<IpAddr>> claims_;  ///< by node
  std::set<IpAddr> orphans_;                                  ///< nobody announces them
};

}  // namespace weft::service
