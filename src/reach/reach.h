#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "reach/pods.h"
#include "reach/services.h"
#include "trace/walk.h"

/// Who may reach whom: what trace says of single connections, for all of them at once. Pods that policies
/// cannot tell apart are asked about once.
namespace weft::reach {

/// What is asked for.
struct Target {
  enum class Kind : uint8_t {
    pods,     ///< the pods of a workload, at a port that their containers declare
    service,  ///< a port of a Service: by its cluster address, or by its endpoints' where it has none
    gateway,  ///< what a rule of a route or Ingress takes, from outside
    outside,  ///< the world
  };
  Kind kind = Kind::pods;
  std::string name;  ///< "Deployment shop/web 8080/TCP", "Service shop/web 80/TCP", "http://www.example/cart"
  PortNumber port;
  size_t workload = 0;  ///< of `pods`
  const ServicePort* service = nullptr;
  /// Of `gateway`, and of Services that are walked to.
  trace::Destination destination;
  trace::Request request;
};

/// What becomes of connections from a workload to a target.
struct Edge {
  trace::Verdict verdict = trace::Verdict::works;
  std::string reason;                ///< who allows it, too; empty: nobody has a say
  std::vector<trace::ObjectRef> by;  ///< who decided
};

/// The matrix of a world, which has to outlive it. Questions are answered when they are asked. Not for
/// several threads.
class Reach {
 public:
  explicit Reach(const trace::World& world);
  Reach(const Reach&) = delete;
  Reach& operator=(const Reach&) = delete;

  const trace::World& world() const { return world_; }
  const std::vector<Workload>& workloads() const { return pods_.workloads; }  ///< by name, "outside" last
  const std::vector<Target>& targets() const { return targets_; }             ///< by kind and name

  /// By indices of the above. Nothing: it is no question, as what a pod makes of itself, or of a Gateway,
  /// which is asked from outside alone.
  std::optional<trace::Verdict> verdict(size_t from, size_t to) const;
  /// The same with reasons; not where verdict() has nothing to say.
  Edge edge(size_t from, size_t to) const;
  /// Where a target leads for whoever gets there, sorted: "Deployment shop/web 8080/TCP", "Service shop/web
  /// port 80", an address.
  std::vector<std::string> leads_to(size_t to) const;

 private:
  /// What the ways that a connection may take come to.
  struct Tally {
    size_t works = 0, fails = 0;
    trace::Verdict why_not = trace::Verdict::works;  ///< of the first that fails
    const policy::NumberedReason* denies = nullptr;  ///< likewise
    const policy::NumberedReason* allows = nullptr;  ///< of the last that works
    bool v6 = false;                                 ///< of the first that fails
    trace::Verdict verdict() const;
  };
  /// By way of the walk.
  struct Walked {
    Edge edge;
    std::vector<std::string> leads_to;
  };

  void add_pod_targets();
  void add_service_targets();

  bool is_outside(size_t from) const { return from + 1 == pods_.workloads.size(); }
  bool is_walked(size_t from, const Target& target) const;
  const Walked& walk(size_t from, size_t to) const;
  Tally tally(size_t from, const Target& target) const;
  void ask_pods(const PodKindMembers& from, const Target& target, Tally& out) const;
  void ask_ways(const PodKindMembers& from, const Ways& ways, const PortNumber& port, Tally& out) const;
  void ask(const PodKindMembers& from, const Endpoint& to, uint8_t protocol, Tally& out) const;
  /// `itself`: the pod itself, by a Service.
  void decide(const PodKind& from, const PodKind* to, const Endpoint& at, uint8_t protocol, bool itself,
              Tally& out) const;
  void collect_ends(const std::vector<trace::Hop>& hops, std::set<std::string>& out) const;
  Edge explain(const Tally& tally, const Target& target) const;

  const trace::World& world_;
  Pods pods_;
  std::deque<ServicePort> service_ports_;
  std::vector<Target> targets_;
  Ways outside_;
  mutable std::map<std::pair<size_t, size_t>, Walked> walked_;
};

}  // namespace weft::reach
