#pragma once

/// For tests of this room: objects in short YAML, a plan of them, and the question who reaches whom, always
/// put to the plan and to the maps it fills.

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "kube/codec.h"
#include "kube/yaml.h"
#include "policy/plan.h"
#include "policy/test_maps.h"

namespace weft::policy::test {

template <class T>
T object(const std::string& yaml) {
  auto documents = kube::parse_yaml(yaml, "test");
  if (!documents || documents->size() != 1) {
    ADD_FAILURE() << (documents ? "one document is expected" : documents.error().message) << "\n" << yaml;
    return {};
  }
  auto decoded = kube::decode<T>(documents->front().value);
  if (!decoded) ADD_FAILURE() << decoded.error().message << "\n" << yaml;
  return decoded.value_or(T{});
}

inline IpAddr ip(std::string_view text) { return IpAddr::parse(text).value(); }

inline uint8_t number(std::string_view protocol) {
  return protocol == "ICMP" ? uint8_t{IPPROTO_ICMP} : protocol_number(protocol).value();
}

class World {
 public:
  explicit World(std::string node = "") : plan({.node = std::move(node)}) {}

  template <class T>
  void put(const T& object) {
    plan.put(object);
    settle();
  }
  void namespace_(const std::string& name, const std::string& labels = "{}", bool audit = false) {
    auto made = object<kube::Namespace>("{metadata: {labels: " + labels + "}}");
    made.metadata.name = name;
    if (audit) made.metadata.annotations[kAuditAnnotation] = "true";
    put(made);
  }
  /// `key`: "NAMESPACE/NAME"; `more`: fields of the pod after its metadata.
  void pod(const std::string& key, const std::string& address, const std::string& labels = "{}",
           const std::string& more = "") {
    put(pod_object(key, address, labels, more));
  }
  static kube::Pod pod_object(const std::string& key, const std::string& address,
                              const std::string& labels = "{}", const std::string& more = "") {
    auto pod =
        object<kube::Pod>("{metadata: {labels: " + labels + "}" + (more.empty() ? "" : ", " + more) + "}");
    set_name(pod.metadata, key);
    if (!address.empty()) {
      pod.status.podIP = address;
      pod.status.podIPs.emplace_back().ip = address;
    }
    return pod;
  }
  void policy(const std::string& key, const std::string& spec, bool audit = false) {
    put(policy_object<kube::NetworkPolicy>(key, spec, audit));
  }
  void cluster(const std::string& name, const std::string& spec, bool audit = false) {
    put(policy_object<kube::ClusterNetworkPolicy>(name, spec, audit));
  }
  template <class T>
  static T policy_object(const std::string& key, const std::string& spec, bool audit = false) {
    auto policy = object<T>("{spec: " + spec + "}");
    set_name(policy.metadata, key);
    if (audit) policy.metadata.annotations[kAuditAnnotation] = "true";
    return policy;
  }
  template <class T>
  void erase(const T& object) {
    plan.erase(object);
    settle();
  }
  void erase_policy(const std::string& key) { erase(policy_object<kube::NetworkPolicy>(key, "{}")); }
  void erase_cluster(const std::string& name) {
    erase(policy_object<kube::ClusterNetworkPolicy>(name, "{}"));
  }

  /// `last` becomes what is written, of all steps.
  const PlanChanges& settle() {
    auto steps = plan.take_changes();
    maps.apply(steps);
    last = {};
    auto append = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
    for (const auto& step : steps) {
      append(last.verdicts, step.verdicts);
      append(last.verdicts_removed, step.verdicts_removed);
      append(last.identities, step.identities);
      append(last.identities_removed, step.identities_removed);
      append(last.pods, step.pods);
      append(last.pods_removed, step.pods_removed);
      append(last.verdicts_unused, step.verdicts_unused);
    }
    return last;
  }

  /// "NAMESPACE/NAME" or an address.
  static Party party(const std::string& text) {
    auto address = IpAddr::parse(text);
    return address ? Party{{}, address} : Party{text, {}};
  }

  /// Also sees to it that plan and maps agree, at each end.
  Evaluation ask(const std::string& from, const std::string& to, int port = 80,
                 std::string_view protocol = "TCP") {
    auto evaluation = plan.evaluate(party(from), party(to), number(protocol), static_cast<uint16_t>(port));
    if (!evaluation) {
      ADD_FAILURE() << from << " to " << to << ": " << evaluation.error().message;
      return {};
    }
    compare(evaluation->egress, from, to, Direction::egress, protocol, port);
    compare(evaluation->ingress, to, from, Direction::ingress, protocol, port);
    return *evaluation;
  }
  bool allows(const std::string& from, const std::string& to, int port = 80,
              std::string_view protocol = "TCP") {
    return ask(from, to, port, protocol).allowed;
  }

  PolicyPlan plan;
  Maps maps;
  PlanChanges last;

 private:
  static void set_name(kube::ObjectMeta& metadata, const std::string& key) {
    auto slash = key.find('/');
    metadata.name = key.substr(slash + 1);
    if (slash != std::string::npos) metadata.namespace_ = key.substr(0, slash);
  }
  void compare(const std::optional<EndVerdict>& end, const std::string& at, const std::string& peer,
               Direction direction, std::string_view protocol, int port) {
    if (!end) return;
    uint32_t reason = 0;
    auto allowed = maps.allows(pod_of(at), direction, address_of(peer, at), number(protocol),
                               static_cast<uint16_t>(port), &reason);
    EXPECT_EQ(allowed, end->allowed) << name_of(direction) << " at " << at << ", peer " << peer << ": "
                                     << end->why;
    if (allowed) EXPECT_EQ(reason, end->reason) << end->why;
  }
  std::string pod_of(const std::string& text) const {
    auto address = IpAddr::parse(text);
    return address ? plan.pod_at(*address) : text;
  }
  /// Of several addresses the one of the other end's family, as evaluate() chooses.
  IpAddr address_of(const std::string& text, const std::string& other) const {
    if (auto address = IpAddr::parse(text)) return *address;
    auto mine = plan.addresses_of(text);
    auto others = IpAddr::parse(other) ? std::vector{*IpAddr::parse(other)} : plan.addresses_of(other);
    for (const auto& address : mine) {
      if (address.is_v4() == others.front().is_v4()) return address;
    }
    return mine.front();
  }
};

}  // namespace weft::policy::test
