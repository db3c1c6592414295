#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cstdlib>
#include <random>

#include "policy/plan.h"
#include "policy/test_generator.h"
#include "policy/test_maps.h"
#include "policy/test_oracle.h"

/// Random objects and changes. After each change the plan, the maps it fills and the meaning of the objects
/// have to agree on connections at random, and the plan has to be the one that is made from scratch.
namespace weft::policy {
namespace {

using test::Generator;
using test::kAddresses;
using test::kNames;
using test::kOutside;

class History {
 public:
  /// `few_policies`: for connections that a single rule decides.
  History(unsigned seed, std::string node, bool few_policies)
      : make_(seed), node_(std::move(node)), few_policies_(few_policies), plan_({.node = node_}) {}

  void step() {
    if (make_.one_in(3)) {
      std::map<std::string, std::string> owners;
      for (const auto& address : kAddresses) owners[address] = plan_.pod_at(*IpAddr::parse(address));
      change();
      apply_watched(owners);
    } else {
      for (unsigned i = 1 + make_.below(3); i > 0; --i) change();
      maps_.apply(plan_.take_changes());
    }
    EXPECT_TRUE(plan_.take_changes().empty());
    for (int i = 0; i < 150; ++i) probe();
    compare_with_fresh();
  }

 private:
  template <class T>
  void change(std::map<std::string, T>& known, T object) {
    const auto& metadata = object.metadata;
    auto key = metadata.namespace_.empty() ? metadata.name : metadata.namespace_ + "/" + metadata.name;
    bool is_policy = requires { object.spec.egress; };
    if (is_policy && few_policies_ ? !make_.one_in(4) : make_.one_in(4)) {
      known.erase(key);
      plan_.erase(object);
    } else {
      plan_.put(object);
      known.insert_or_assign(key, std::move(object));
    }
  }

  struct Watched {
    std::string pod;
    IpAddr peer;
    Direction direction;
    uint8_t protocol;
    uint16_t port;
    std::optional<bool> before, after;
  };

  /// While the changes of one object are written, connections are decided as before or as after. `owners`:
  /// the pods that had the addresses before; a pod's connections to itself are not of interest.
  void apply_watched(const std::map<std::string, std::string>& owners) {
    auto changes = plan_.take_changes();
    auto after = maps_;
    after.apply(changes);
    std::vector<Watched> watched;
    for (const auto& [key, pod] : maps_.pods()) {
      for (int i = 0; i < 3; ++i) {
        auto peer = *IpAddr::parse(make_.of(make_.one_in(4) ? kOutside : kAddresses));
        auto owner = owners.find(peer.str());
        if (plan_.pod_at(peer) == key || (owner != owners.end() && owner->second == key)) continue;
        auto direction = make_.one_in(2) ? Direction::ingress : Direction::egress;
        auto [protocol, port] = service(test::Oracle(objects_).owner(peer));
        watched.push_back({key, peer, direction, protocol, port,
                           maps_.allows(key, direction, peer, protocol, port),
                           after.allows(key, direction, peer, protocol, port)});
      }
    }
    maps_.apply(changes, [&] {
      if (relabelled_namespace_) return;
      for (const auto& one : watched) {
        auto now = maps_.allows(one.pod, one.direction, one.peer, one.protocol, one.port);
        EXPECT_TRUE(now == one.before || now == one.after)
            << "on the way: " << name_of(one.direction) << " at " << one.pod << ", peer " << one.peer.str();
      }
    });
  }

  void change_name() {
    const auto &name = make_.of(kNames), &address = make_.of(make_.one_in(3) ? kAddresses : kOutside);
    auto ip = *IpAddr::parse(address);
    if (make_.one_in(3)) {
      objects_.names[name].erase(address);
      plan_.erase_domain_address(name, ip);
    } else {
      objects_.names[name].insert(address);
      plan_.put_domain_address(name, ip);
    }
  }

  void change() {
    unsigned kind = make_.below(12);
    relabelled_namespace_ = kind == 0;
    switch (kind) {
      case 0:
        return change(objects_.namespaces, make_.space());
      case 1:
        return change(objects_.nodes, make_.node());
      case 2:
        return change_name();
      case 3:
      case 4:
      case 5:
        return change(objects_.policies, make_.policy());
      case 6:
      case 7:
        return change(objects_.cluster_policies, make_.cluster_policy());
      default:
        return change(objects_.pods, make_.pod());
    }
  }

  /// A protocol and a port: half of the time one that a container of the destination has.
  std::pair<uint8_t, uint16_t> service(const kube::Pod* destination) {
    constexpr std::array<uint8_t, 4> kAll = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_ICMP};
    if (destination && !destination->spec.containers.front().ports.empty() && make_.one_in(2)) {
      const auto& port = destination->spec.containers.front().ports.front();
      return {*protocol_number(port.protocol), static_cast<uint16_t>(port.containerPort)};
    }
    return {kAll[make_.below(4)], static_cast<uint16_t>(make_.below(10))};
  }

  void probe() {
    if (objects_.pods.empty()) return;
    auto at = std::next(objects_.pods.begin(), make_.below(static_cast<unsigned>(objects_.pods.size())));
    const auto& [key, pod] = *at;
    auto peer = *IpAddr::parse(make_.of(make_.one_in(4) ? kOutside : kAddresses));
    auto direction = make_.one_in(2) ? Direction::ingress : Direction::egress;
    auto [protocol, port] =
        service(direction == Direction::ingress ? &pod : test::Oracle(objects_).owner(peer));
    bool subject = test::Oracle::counts(pod) && (node_.empty() || pod.spec.nodeName == node_);
    auto mapped = maps_.allows(key, direction, peer, protocol, port);
    ASSERT_EQ(mapped.has_value(), subject) << key;
    if (!subject) return;
    bool wanted = test::Oracle(objects_).allows(pod, direction == Direction::ingress, peer, protocol, port);
    ASSERT_EQ(*mapped, wanted) << name_of(direction) << " at " << key << ", peer " << peer.str()
                               << " protocol " << int{protocol} << " port " << port;
    compare_evaluation(pod, key, peer, direction, protocol, port, wanted);
  }

  void compare_evaluation(const kube::Pod& pod, const std::string& key, const IpAddr& peer,
                          Direction direction, uint8_t protocol, uint16_t port, bool wanted) {
    const IpAddr* own = nullptr;
    std::vector<IpAddr> addresses;
    for (const auto& item : pod.status.podIPs) addresses.push_back(*IpAddr::parse(item.ip));
    for (const auto& address : addresses) {
      if (address.is_v4() == peer.is_v4()) own = &address;
    }
    if (!own || test::Oracle(objects_).owner(peer) == &pod) return;
    bool in = direction == Direction::ingress;
    Party here{key, *own}, there{{}, peer};
    auto got = plan_.evaluate(in ? there : here, in ? here : there, protocol, port);
    ASSERT_TRUE(got) << got.error().message;
    const auto& end = in ? got->ingress : got->egress;
    if (!end) {
      EXPECT_EQ(got->why, "the pod's own node is always let in");
      return;
    }
    ASSERT_EQ(end->allowed, wanted) << end->why;
  }

  void compare_with_fresh() {
    PolicyPlan fresh({.node = node_});
    for (const auto& [key, object] : objects_.cluster_policies) fresh.put(object);
    for (const auto& [key, object] : objects_.pods) fresh.put(object);
    for (const auto& [key, object] : objects_.policies) fresh.put(object);
    for (const auto& [key, object] : objects_.nodes) fresh.put(object);
    for (const auto& [name, addresses] : objects_.names) {
      for (const auto& address : addresses) fresh.put_domain_address(name, *IpAddr::parse(address));
    }
    for (const auto& [key, object] : objects_.namespaces) fresh.put(object);
    test::Maps maps, whole;
    maps.apply(fresh.take_changes());
    ASSERT_EQ(maps_.described(plan_), maps.described(fresh));
    whole.apply(plan_.everything());
    ASSERT_EQ(maps_.described(plan_), whole.described(plan_));
  }

  Generator make_;
  std::string node_;
  bool few_policies_;
  bool relabelled_namespace_ = false;  ///< by the last change
  test::Objects objects_;
  PolicyPlan plan_;
  test::Maps maps_;
};

/// WEFT_SEED=n repeats a run.
TEST(PlanProperty, AgreesWithTheMeaningOfTheObjects) {
  const char* given = std::getenv("WEFT_SEED");
  unsigned first = given ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : std::random_device()();
  int runs = given ? 1 : 12;
  for (int i = 0; i < runs; ++i) {
    unsigned seed = first + static_cast<unsigned>(i);
    SCOPED_TRACE("WEFT_SEED=" + std::to_string(seed));
    History run(seed, seed % 2 ? "node1" : "", seed % 4 >= 2);
    for (int step = 0; step < 120; ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      run.step();
      if (HasFailure()) return;
    }
  }
  std::printf("seeds %u to %u\n", first, first + static_cast<unsigned>(runs) - 1);
}

}  // namespace
}  // namespace weft::policy
