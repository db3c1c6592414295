#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/ip.h"
#include "kube/cluster_network_policy.h"
#include "kube/config.h"
#include "kube/networking.h"
#include "kube/node.h"
#include "kube/pod.h"
#include "kube/service.h"
#include "policy/identity_table.h"
#include "policy/matcher_table.h"
#include "policy/reason.h"
#include "policy/rules.h"
#include "policy/subject.h"

/// From pods, namespaces, nodes and policies to the policy maps of a node (datapath/policy_layout.h), each
/// verdict with its reason. NetworkPolicy (networking.k8s.io/v1) and ClusterNetworkPolicy
/// (policy.networking.k8s.io/v1alpha2). Pure: objects in, what to write out; no I/O, no clock.
namespace weft::policy {

struct PlanOptions {
  std::string node;  ///< whose pods are subjects; empty: all pods are
};

/// A pod of this node.
struct PodEntry {
  std::string pod;  ///< "NAMESPACE/NAME"
  std::string uid;
  uint32_t subject = 0;
  uint32_t flags = 0;  ///< WEFT_POLICY_…
  auto operator<=>(const PodEntry&) const = default;
};

/// What to write and what to remove, each place once, member by member and entry by entry in this order.
struct PlanChanges {
  std::vector<VerdictEntry> verdicts;
  std::vector<VerdictKey> verdicts_removed;
  std::vector<std::pair<IpPrefix, uint32_t>> identities;
  std::vector<IpPrefix> identities_removed;
  std::vector<PodEntry> pods;
  std::vector<std::string> pods_removed;
  std::vector<VerdictKey> verdicts_unused;  ///< of subjects and identities that nothing has any more
  /// Nothing to write: subjects that an address with another identity may be denied something by.
  std::set<uint32_t> narrowed;

  bool empty() const {
    return verdicts.empty() && verdicts_removed.empty() && identities.empty() && identities_removed.empty() &&
           pods.empty() && pods_removed.empty() && verdicts_unused.empty();
  }
};

/// One end of a connection: a pod ("NAMESPACE/NAME"), or an address, which may be a pod's too.
struct Party {
  std::string pod;
  std::optional<IpAddr> address;
};

/// What one end of a connection makes of it.
struct EndVerdict {
  bool allowed = true;
  bool audit = false;   ///< it would have been denied
  uint32_t peer = 0;    ///< the identity of the other end
  uint32_t reason = 0;  ///< as the kernel reports it: 0 for what no entry decides
  std::string why;
};

/// The same without words, for those who ask about very many.
struct Ruling {
  bool allowed = true;
  bool audit = false;
  bool by_entry = false;                   ///< an entry decides; else what isolates the pod
  const NumberedReason* reason = nullptr;  ///< nullptr: no policy is about the direction
};

struct Evaluation {
  bool allowed = true;               ///< by both
  std::optional<EndVerdict> egress;  ///< nothing: the source is no pod of this node, or policy does not apply
  std::optional<EndVerdict> ingress;  ///< the same of the destination
  std::string why;                    ///< one line; of a denial, who denies
};

/// Put and erase tell it of objects, in any order; take_changes() works out what follows from them. Its cost
/// is that of what the objects touch. Objects are known by namespace and name; of erased ones only those are
/// read.
class PolicyPlan {
 public:
  explicit PolicyPlan(PlanOptions options);
  PolicyPlan(const PolicyPlan&) = delete;
  PolicyPlan& operator=(const PolicyPlan&) = delete;

  void put(const kube::Pod& pod);
  void put(const kube::Namespace& namespace_);
  void put(const kube::NetworkPolicy& policy);
  void put(const kube::ClusterNetworkPolicy& policy);
  void put(const kube::Node& node);
  /// Where the cluster's DNS is; of other Services they are not read.
  void put(const kube::EndpointSlice& slice);
  void erase(const kube::Pod& pod);
  void erase(const kube::Namespace& namespace_);
  void erase(const kube::NetworkPolicy& policy);
  void erase(const kube::ClusterNetworkPolicy& policy);
  void erase(const kube::Node& node);
  void erase(const kube::EndpointSlice& slice);

  /// Names and patterns ("*.a.example") that policies ask for, in lower case and without a dot at the end.
  const std::map<std::string, uint32_t>& domains() const { return identities_.domains(); }
  /// An address that a name was seen to have; until it is taken back.
  void put_domain_address(std::string_view name, const IpAddr& address);
  void erase_domain_address(std::string_view name, const IpAddr& address);

  /// What changed since the last call, in steps to be written one after the other; none is empty. While they
  /// are written any connection is decided at any time as before or as after each change of an object; only
  /// while a namespace's labels change may a pod be seen as it was and its peers as they will be. For that,
  /// addresses that policies are about to tell apart get identities of their own first, then policies and
  /// pods change, then identities go that nobody needs to tell apart any more.
  std::vector<PlanChanges> take_changes();
  /// All there is to write, as of the last take_changes().
  PlanChanges everything() const;

  /// nullptr: it is not known any more.
  ReasonPtr reason(uint32_t number) const { return reasons_.find(number); }
  /// Why a pod of this node denies what no entry decides; nullptr: it does not.
  ReasonPtr isolation(std::string_view pod, Direction direction) const;
  /// "NAMESPACE/NAME" of the pod that has the address; empty: none.
  std::string pod_at(const IpAddr& address) const;
  /// Whether it is the cluster's DNS, and no pod.
  bool is_dns(const IpAddr& address) const;
  /// Those of a pod, the first its main one; of one on the host's network those of its node.
  std::vector<IpAddr> addresses_of(std::string_view pod) const;
  /// What of a policy cannot be enforced as written. `key`: "NAMESPACE/NAME" of a NetworkPolicy, "NAME" of a
  /// ClusterNetworkPolicy.
  std::vector<std::string> warnings(std::string_view key) const;
  /// Those in force, in the order in which they are asked.
  std::vector<PolicyPtr> policies() const;
  /// Those that select a pod, in the same order. None do a pod of another node.
  std::vector<PolicyPtr> policies_of(std::string_view pod) const;
  /// Pods of this node that a policy selects; `key` as above.
  std::set<std::string> selected_by(std::string_view key) const;
  /// Nothing: the pod is none of this node's subjects.
  std::optional<PodEntry> entry_of(std::string_view pod) const;
  /// How many there are.
  size_t subjects() const { return subjects_.size(); }
  size_t identities() const { return identities_.all().size(); }

  /// Whether a connection may be made, as of the last take_changes() and by the very tables that the kernel
  /// has. `protocol`: IPPROTO_…; `port`: of the destination, in host order. Fails when a party is not known,
  /// or has no address of the other's family. `by_service`: a Service led there, which matters to a pod that
  /// gets to itself.
  Expected<Evaluation> evaluate(const Party& from, const Party& to, uint8_t protocol, uint16_t port,
                                bool by_service = false) const;
  /// What pods of a subject (PodEntry::subject) make of connections with a peer (identity_of()). That a pod's
  /// own node is always let in, and a pod by itself without a Service, is for the caller to know. `itself`:
  /// the peer is the pod, by way of a Service.
  Ruling decide(uint32_t subject, Direction direction, uint32_t peer, uint8_t protocol, uint16_t port,
                bool itself = false) const;
  /// What policies can tell of an address.
  uint32_t identity_of(const IpAddr& address) const { return identities_.identity_of(address); }

 private:
  struct PodRecord {
    PodPtr facts;
    bool local = false;
    uint32_t subject = 0;           ///< 0: none
    std::optional<PodEntry> entry;  ///< as take_changes() told last
  };
  struct NamespaceRecord {
    kube::StringMap labels;
    bool audit = false;
    std::set<std::string> pods;
    std::set<std::string> policies;
  };
  struct PolicyRecord {
    PolicyPtr written;
    PolicyPtr in_force;      ///< with the audit of its namespace
    uint64_t selection = 0;  ///< another when it selects others
    std::set<uint32_t> subjects;
  };
  struct SubjectRecord {
    Subject subject;
    std::set<std::string> pods;
  };
  /// Of a connection. `addresses`: those that it may use, later the one that it does.
  struct End {
    PodPtr pod;  ///< nullptr: an address of no pod
    std::vector<IpAddr> addresses;
  };

  void change_pod(const std::string& key, PodPtr now);
  void change_namespace(const std::string& name, const kube::StringMap& labels, bool audit);
  void change_policy(const std::string& key, PolicyPtr now);
  void name_parts(const Policy& policy, bool add);
  void settle_dns();
  PolicyPtr in_force(const PolicyPtr& written) const;
  void forget_if_empty(const std::string& namespace_);
  void touch_subjects(const PolicyRecord& policy, bool with_pods);
  bool touch_selected(const Policy* before, const Policy* now);
  bool selects(const Policy& policy, const PodFacts& pod) const;

  SubjectKey subject_key(const PodFacts& pod) const;
  uint32_t subject_of(SubjectKey key);
  void assign(const std::string& key);
  void leave(const std::string& key, PodRecord& pod);
  void build(Subject& subject, VerdictChanges changes);
  void drop(uint32_t number, VerdictChanges changes);
  void settle_identities(PlanChanges& changes);
  void settle_peers(VerdictChanges changes);
  std::set<uint32_t> narrowed_by(uint32_t was, uint32_t now) const;
  void settle_subjects(VerdictChanges changes);
  void settle_pods(PlanChanges& changes);
  void add_entry(const std::string& key, PlanChanges& changes);
  void put_in_order(PlanChanges& changes) const;

  bool has_port(const std::set<std::string>& pods, const PortName& port) const;
  Expected<End> resolve(const Party& party, const char* which) const;
  static Expected<void> choose_family(End& from, End& to);
  bool from_own_node(const End& from, const End& to) const;
  std::optional<EndVerdict> judge(const End& at, const End& peer, Direction direction, uint8_t protocol,
                                  uint16_t port, bool itself) const;

  PlanOptions options_;
  std::map<std::string, PodRecord, std::less<>> pods_;
  std::map<std::string, NamespaceRecord, std::less<>> namespaces_;
  std::map<std::string, PolicyRecord, std::less<>> policies_;
  std::set<std::string> cluster_policies_;
  std::set<std::string> local_pods_;
  std::map<std::string, std::set<IpAddr>, std::less<>> node_addresses_;
  std::map<std::string, std::set<IpAddr>> dns_slices_;  ///< by name

  IdentityTable identities_;
  MatcherTable matchers_{identities_};
  ReasonTable reasons_;
  std::map<SubjectKey, uint32_t> subject_by_key_;
  std::unordered_map<uint32_t, SubjectRecord> subjects_;

  std::vector<PolicyPtr> replaced_;               ///< what they name is still told apart
  std::set<std::string> touched_pods_;            ///< what selects them may have changed
  std::set<std::string> moved_pods_;              ///< they have another subject, or none
  std::map<std::string, PodEntry> removed_pods_;  ///< no subjects any more, with what was told of them last
  std::set<uint32_t> touched_subjects_;           ///< new, or with changed policies
  std::set<uint32_t> left_subjects_;              ///< without pods
  std::set<std::pair<uint32_t, uint32_t>> touched_peers_;  ///< subject and identity
};

}  // namespace weft::policy
