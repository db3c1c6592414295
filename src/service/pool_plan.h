#pragma once

#include <compare>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "kube/service.h"
#include "service/pool_request.h"
#include "service/pool_set.h"

/// Which LoadBalancer addresses Services get. Pure: objects in, decisions with their reasons out.
namespace weft::service {

/// The addresses of one Service.
struct PoolDecision {
  struct Address {
    IpAddr addr;
    std::string pool;  ///< that it is from
    bool operator==(const Address&) const = default;
  };
  /// Whether status.loadBalancer has to be made equal to `addresses`; otherwise it is none of our business.
  bool ours = false;
  std::vector<Address> addresses;  ///< in the order of spec.ipFamilies
  /// Why addresses are missing: one line that begins with the field at fault, if one is; else empty.
  std::string problem;
  bool operator==(const PoolDecision&) const = default;
};

/// Decides for all Services of a cluster, one event at a time: the cost of an event is that of the Services
/// it touches. What a Service has it keeps while that is allowed; what it does not have it gets when there is
/// something. The status of the Services is the only record, so that a new planner that is fed the same
/// objects decides the same.
///
/// No address is decided for a Service while the status of another one, which may not share it, still shows
/// it: so no two ever have it at a time, if statuses are written in any order whatever.
class PoolPlanner {
 public:
  using ServicePtr = std::shared_ptr<const kube::Service>;

  /// What an event has changed: keys of Services ("namespace/name") with another decision, and names of pools
  /// with another report (pools that are gone too).
  struct Changes {
    std::set<std::string> services;
    std::set<std::string> pools;
  };

  /// Until `begin`, events are only taken note of: feed it all objects that there are first.
  Changes begin();
  /// nullptr: gone. An object with another uid is another Service.
  Changes service_changed(const std::string& key, ServicePtr service);
  Changes pool_changed(const std::string& name, AddressPoolPtr pool);
  /// Services in a namespace that was not seen yet stay as they are.
  Changes namespace_changed(const std::string& name, const kube::StringMap& labels);
  Changes namespace_gone(const std::string& name);

  /// Of a Service that is not known: the empty decision.
  const PoolDecision& decision(const std::string& key) const;
  /// What the status of a pool has to say, but for the times of its conditions; nothing if there is none.
  std::optional<kube::AddressPoolStatus> report(const std::string& pool) const;

 private:
  /// The order in which Services have their turn: the oldest first.
  struct Age {
    std::string created;
    std::string key;
    auto operator<=>(const Age&) const = default;
  };
  struct Record {
    ServicePtr service;
    Age age;
    PoolDecision decision;
    std::set<IpAddr> shown;       ///< in its status
    std::set<IpAddr> leaving;     ///< those that have to go from it, though the Service is no longer ours
    std::set<std::string> waits;  ///< keys of waiting_ it is at
  };
  /// Who has an address.
  struct Use {
    std::set<Age> holders;  ///< by decision
    std::set<Age> shown;    ///< by the status they were last seen with
  };
  /// One Service's turn.
  struct Turn;

  void remember(const std::string& key, ServicePtr service);
  void forget(const std::string& key);
  void begin_use(const IpAddr& addr, std::set<Age> Use::* as, const Age& who);
  void end_use(const IpAddr& addr, std::set<Age> Use::* as, const Age& who);

  /// Does all that is to do.
  Changes settle();
  void decide(const std::string& key);
  void conclude(Record& record, PoolDecision next);
  static bool is_leaving(Record& record);
  PoolDecision decide_foreign(Record& record);
  PoolDecision decide_ours(Record& record, const kube::StringMap& labels);
  bool keep(Turn& turn, bool v6);
  bool may_keep(const Turn& turn, const IpAddr& addr) const;
  /// Why there is no address, or "".
  std::string find_address(Turn& turn, bool v6);
  std::string give_requested(Turn& turn, const IpAddr& addr);
  std::string give_any(Turn& turn, bool v6);
  bool give_shared(Turn& turn, bool v6, const std::vector<const Pool*>& pools);
  std::vector<const Pool*> candidates(const Turn& turn, std::string& why_none) const;
  /// Who stands in the way of this Service at an address; nullptr if nobody does.
  const Record* rival(const Record& record, const IpAddr& addr) const;
  void hold(Turn& turn, const IpAddr& addr, const Pool& pool);
  void wait_for(Record& record, const std::string& what);
  void wake(const std::string& what);
  void wake_at(const IpAddr& addr);
  /// A free address to those who wait for one of its pool.
  void offer(const IpAddr& addr);

  bool begun_ = false;
  PoolSet pools_;
  std::map<std::string, kube::StringMap> namespaces_;  ///< their labels
  std::map<std::string, Record> records_;  ///< of Services of type LoadBalancer, and of those that were
  std::map<std::string, std::set<std::string>> by_namespace_;  ///< keys of records_
  std::map<IpAddr, Use> uses_;
  std::map<std::string, std::set<Age>> sharers_;  ///< holders of addresses by "namespace/sharing key"
  std::map<std::string, std::set<Age>> waiting_;  ///< without all they want, by what would help them
  std::set<Age> todo_;
  std::set<IpAddr> freed_;
  Changes changes_;
};

}  // namespace weft::service
