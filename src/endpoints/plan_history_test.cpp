#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <set>

#include "endpoints/test_objects.h"

/// Random histories of pods, nodes and a Service, each step planned on the slices that the steps before it
/// left. What must be in the slices is worked out here once more, in the plainest way, from the rules of
/// KEP-752 and without the room's own functions.
namespace weft::endpoints {
namespace {

using test::make_node;
using test::make_pod;
using test::World;
using test::writes;

bool is_v6_text(const std::string& ip) { return ip.find(':') != std::string::npos; }

std::string label_of(const kube::ObjectMeta& meta, const std::string& key) {
  auto it = meta.labels.find(key);
  return it == meta.labels.end() ? "" : it->second;
}

/// "http/TCP/8080 " of each port that the pod has.
std::string naive_ports(const kube::Service& service, const kube::Pod& pod) {
  std::multiset<std::string> ports;
  for (const auto& port : service.spec.ports) {
    int32_t number = 0;
    if (port.targetPort.is_int()) {
      number = port.targetPort.number();
    } else {
      for (const auto& container : pod.spec.containers) {
        for (const auto& offered : container.ports) {
          if (offered.name == port.targetPort.str() && offered.protocol == port.protocol)
            number = offered.containerPort;
        }
      }
    }
    if (number != 0) ports.insert(fmt::format("{}/{}/{} ", port.name, port.protocol, number));
  }
  std::string out;
  for (const auto& port : ports) out += port;
  return out;
}

/// " zone=… node=…" as KEP-4444 and KEP-3015 ask for; ready endpoints only.
std::string naive_hints(const kube::Service& service, const std::string& node, const std::string& zone) {
  const auto& wish = service.spec.trafficDistribution;
  if (!wish || service.metadata.annotations.contains("service.kubernetes.io/topology-mode")) return "";
  std::string out;
  if (!zone.empty()) out += " for-zone=" + zone;
  if (*wish == "PreferSameNode") out += " for-node=" + node;
  return out;
}

/// All there is to say about an endpoint, in one line; nothing for a pod that has none of this family.
std::multiset<std::string> naive_endpoints(const World& w, const std::string& family) {
  std::multiset<std::string> out;
  for (const auto& [name, pod] : w.pods) {
    if (pod.status.phase == "Succeeded" || pod.status.phase == "Failed") continue;
    auto node = w.nodes.find(pod.spec.nodeName);
    const bool anyhow = w.service.spec.publishNotReadyAddresses;
    if (node == w.nodes.end() && !anyhow) continue;
    const auto zone =
        node == w.nodes.end() ? "" : label_of(node->second.metadata, "topology.kubernetes.io/zone");
    std::string address;
    for (const auto& ip : pod.status.podIPs) {
      if (is_v6_text(ip.ip) == (family == "IPv6")) address = ip.ip;
    }
    if (address.empty()) continue;
    const bool serving = pod.status.conditions[0].status == "True";
    const bool going = pod.metadata.deletionTimestamp.has_value();
    const bool ready = anyhow || (serving && !going);
    out.insert(fmt::format("{}{} {} {} ready={} serving={} terminating={} on {} in {}{}",
                           naive_ports(w.service, pod), address, name, pod.metadata.uid, ready, serving,
                           going, pod.spec.nodeName, zone,
                           ready ? naive_hints(w.service, pod.spec.nodeName, zone) : ""));
  }
  return out;
}

/// The same line for an endpoint as it stands in a slice.
std::string line_of(const kube::EndpointSlice& slice, const kube::Endpoint& endpoint) {
  std::multiset<std::string> ports;
  for (const auto& port : slice.ports)
    ports.insert(fmt::format("{}/{}/{} ", port.name.value(), port.protocol.value(), port.port.value()));
  std::string out, hints;
  for (const auto& port : ports) out += port;
  if (endpoint.hints) {
    for (const auto& zone : endpoint.hints->forZones) hints += " for-zone=" + zone.name;
    for (const auto& node : endpoint.hints->forNodes) hints += " for-node=" + node.name;
  }
  const auto& is = endpoint.conditions;
  return out + fmt::format("{} {} {} ready={} serving={} terminating={} on {} in {}{}",
                           endpoint.addresses.at(0), endpoint.targetRef->name, endpoint.targetRef->uid,
                           is.ready.value(), is.serving.value(), is.terminating.value(),
                           endpoint.nodeName.value(), endpoint.zone.value_or(""), hints);
}

std::string ports_of_line(const std::string& line) {
  // The ports come first, each with two slashes; addresses have none.
  auto last = line.rfind('/');
  return last == std::string::npos ? "" : line.substr(0, line.find(' ', last) + 1);
}

/// How many writes may be needed for one family: each slice that is wrong once, and, for what does not fit
/// into those, as few slices as hold it; one more where the last endpoint goes.
size_t writes_needed(const World& before, const World& now, const std::string& family) {
  const auto wanted = naive_endpoints(now, family);
  std::map<std::string, size_t> missing;
  for (const auto& line : wanted) ++missing[ports_of_line(line)];
  std::set<std::string> seen;
  std::map<std::string, size_t> room;
  size_t wrong = 0;
  for (const auto& [name, slice] : before.slices) {
    if (slice.addressType != family) continue;
    if (slice.metadata.ownerReferences[0].uid != now.service.metadata.uid) {
      ++wrong;
      continue;
    }
    bool is_wrong = label_of(slice.metadata, "team") != label_of(now.service.metadata, "team");
    std::string group;
    for (const auto& port : slice.ports)
      group += fmt::format("{}/{}/{} ", port.name.value(), port.protocol.value(), port.port.value());
    size_t kept = 0;
    for (const auto& endpoint : slice.endpoints) {
      // Kept with its place, if the pod is still wanted with these ports, whatever else about it changes.
      const auto prefix = fmt::format("{}{} {} {} ", group, endpoint.addresses[0], endpoint.targetRef->name,
                                      endpoint.targetRef->uid);
      auto at = wanted.lower_bound(prefix);
      if (at != wanted.end() && !at->starts_with(prefix)) at = wanted.end();
      if (at == wanted.end() || !seen.insert(*at).second) {
        is_wrong = true;
        continue;
      }
      ++kept;
      --missing[group];
      is_wrong |= *at != line_of(slice, endpoint);
    }
    if (slice.endpoints.empty() && !wanted.empty()) is_wrong = true;  // the placeholder
    if (!is_wrong) continue;
    ++wrong;
    if (kept > 0) room[group] += now.most_per_slice - kept;
  }
  size_t more = wanted.empty() ? 1 : 0;
  for (const auto& [group, count] : missing) {
    const auto over = count > room[group] ? count - room[group] : 0;
    more += (over + now.most_per_slice - 1) / now.most_per_slice;
  }
  return wrong + more;
}

/// One history.
class History {
 public:
  explicit History(unsigned seed) : random_(seed) {
    w.most_per_slice = 5;
    w.service.spec.ipFamilies = {"IPv4", "IPv6"};
    w.nodes = {};
    for (int n = 1; n <= 3; ++n) change_node(fmt::format("node-{}", n));
  }

  /// One thing happens; returns what, for people.
  std::string step() {
    switch (roll(16)) {
      case 0:
      case 1:
      case 2:
        return create();
      case 3:
      case 4:
      case 5:
        return change_some_pod("gets its address", [&](kube::Pod& pod) { address(pod); });
      case 6:
      case 7:
        return change_some_pod("turns ready or not", [](kube::Pod& pod) {
          auto& status = pod.status.conditions[0].status;
          status = status == "True" ? "False" : "True";
        });
      case 8:
      case 9:
        return change_some_pod(
            "goes", [](kube::Pod& pod) { pod.metadata.deletionTimestamp = "2026-01-01T00:00:00Z"; });
      case 10:
        return remove_pods();
      case 11:
        return change_some_pod("ends", [](kube::Pod& pod) { pod.status.phase = "Succeeded"; });
      case 12:
        return replace();
      case 13: {
        auto name = fmt::format("node-{}", 1 + roll(4));
        change_node(name);
        return name + " changes";
      }
      case 14:
        return damage();
      default:
        return change_service();
    }
  }

  World w;

 private:
  int roll(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  template <class Map>
  auto any(Map& map) {
    return std::next(map.begin(), roll(static_cast<int>(map.size())));
  }

  std::string create() {
    if (w.pods.size() > 40) return remove_pods();
    const int count = roll(8) == 0 ? 20 : 1 + roll(4);
    for (int i = 0; i < count; ++i) {
      auto& pod = w.add_pod(next_++);
      pod.spec.nodeName = fmt::format("node-{}", 1 + roll(4));
      auto& ports = pod.spec.containers.emplace_back().ports;
      for (const char* name : {"web", "admin"}) {
        if (roll(5) == 0) continue;
        auto& port = ports.emplace_back();
        port.name = name;
        port.protocol = "TCP";
        port.containerPort = roll(3) == 0 ? 9090 : 8080;
      }
      pod.status.conditions[0].status = roll(2) == 0 ? "True" : "False";
      if (roll(2) == 0) continue;
      pod.status.podIP.clear();
      pod.status.podIPs.clear();
    }
    return fmt::format("{} pods", count);
  }

  void address(kube::Pod& pod) {
    auto like = make_pod(std::stoi(pod.metadata.name.substr(4)));
    pod.status.podIP = like.status.podIP;
    pod.status.podIPs = like.status.podIPs;
    if (roll(4) == 0) pod.status.podIPs.pop_back();
  }

  std::string change_some_pod(const char* what, const std::function<void(kube::Pod&)>& change) {
    if (w.pods.empty()) return "nothing";
    auto& pod = any(w.pods)->second;
    change(pod);
    return pod.metadata.name + " " + what;
  }

  std::string remove_pods() {
    // Now and then a whole Deployment.
    const size_t count = roll(10) == 0 ? w.pods.size() : static_cast<size_t>(1 + roll(6));
    for (size_t i = 0; i < count && !w.pods.empty(); ++i) w.pods.erase(any(w.pods));
    return fmt::format("{} pods are deleted", count);
  }

  /// As a StatefulSet does: another pod of the same name, somewhere else.
  std::string replace() {
    return change_some_pod("is another one", [&](kube::Pod& pod) {
      pod.metadata.uid += "'";
      pod.metadata.deletionTimestamp.reset();
      pod.status.phase = "Running";
      pod.spec.nodeName = fmt::format("node-{}", 1 + roll(4));
    });
  }

  /// It comes, goes, or gets another zone or none.
  void change_node(const std::string& name) {
    const std::vector<std::string> zones{"zone-a", "zone-b", "zone-c", ""};
    if (roll(5) == 0) {
      w.nodes.erase(name);
    } else {
      w.nodes[name] = make_node(name, zones[static_cast<size_t>(roll(4))]);
    }
  }

  std::string damage() {
    if (w.slices.empty()) return "nothing";
    auto it = any(w.slices);
    auto& endpoints = it->second.endpoints;
    switch (roll(4)) {
      case 0:
        w.slices.erase(it);
        return "somebody removes a slice";
      case 1:
        endpoints.clear();
        return "somebody empties a slice";
      case 2: {
        if (endpoints.empty()) return "nothing";
        auto copy = it->second;
        copy.metadata.name += "-copy";
        w.slices[copy.metadata.name] = copy;
        return "somebody copies a slice";
      }
      default:
        if (endpoints.empty()) return "nothing";
        endpoints.back().conditions.ready = !endpoints.back().conditions.ready.value_or(true);
        return "somebody changes an endpoint";
    }
  }

  std::string change_service() {
    auto& spec = w.service.spec;
    switch (roll(7)) {
      case 0: {
        const std::vector<std::string> names{"web", "admin"};
        spec.ports[0].targetPort.value = names[static_cast<size_t>(roll(2))];
        return "a named port";
      }
      case 1:
        spec.ports[0].targetPort.value = 8000 + roll(2);
        return "a port by number";
      case 2:
        if (spec.ports.size() == 1) {
          spec.ports.push_back(spec.ports[0]);
          spec.ports[1].name = "second";
          spec.ports[1].targetPort.value = std::string("admin");
        } else {
          spec.ports.pop_back();
        }
        return "one port more or less";
      case 3:
        spec.publishNotReadyAddresses = !spec.publishNotReadyAddresses;
        return "publishNotReadyAddresses";
      case 4:
        return change_families();
      default:
        return change_preferences();
    }
  }

  std::string change_families() {
    const std::vector<std::vector<std::string>> families{{"IPv4", "IPv6"}, {"IPv6"}, {"IPv4"}};
    w.service.spec.ipFamilies = families[static_cast<size_t>(roll(3))];
    return "families";
  }

  std::string change_preferences() {
    const std::vector<std::optional<std::string>> wishes{
        {}, "PreferClose", "PreferSameZone", "PreferSameNode"};
    w.service.spec.trafficDistribution = wishes[static_cast<size_t>(roll(4))];
    w.service.metadata.annotations.clear();
    if (roll(4) == 0) w.service.metadata.annotations["service.kubernetes.io/topology-mode"] = "Auto";
    w.service.metadata.labels["team"] = roll(2) == 0 ? "red" : "blue";
    return "preferences";
  }

  std::mt19937 random_;
  int next_ = 0;
};

class PlanHistories : public testing::TestWithParam<unsigned> {};

void expect_exact(const World& w) {
  std::map<std::string, std::multiset<std::string>> found, wanted;
  std::map<std::string, size_t> slices;
  for (const auto& family : w.service.spec.ipFamilies) {
    wanted[family] = naive_endpoints(w, family);
    found[family];
  }
  for (const auto& [name, slice] : w.slices) {
    ++slices[slice.addressType];
    EXPECT_LE(slice.endpoints.size(), w.most_per_slice) << name;
    EXPECT_EQ(label_of(slice.metadata, "team"), label_of(w.service.metadata, "team")) << name;
    EXPECT_EQ(slice.metadata.ownerReferences.at(0).uid, w.service.metadata.uid) << name;
    for (const auto& endpoint : slice.endpoints) found[slice.addressType].insert(line_of(slice, endpoint));
  }
  ASSERT_EQ(found, wanted);
  for (const auto& family : w.service.spec.ipFamilies) EXPECT_GE(slices[family], 1U) << family;
}

TEST_P(PlanHistories, AreRightAfterEachStepWithFewWrites) {
  std::string story = fmt::format("seed {}:", GetParam());
  History history(GetParam());
  auto& w = history.w;
  for (int step = 0; step < 150; ++step) {
    const auto what = history.step();
    const World before = w;
    auto plan = w.apply();
    story += fmt::format("\n{} {} -> {}", step, what, writes(plan));
    SCOPED_TRACE(story);
    ASSERT_NO_FATAL_FAILURE(expect_exact(w));
    ASSERT_EQ(writes(w.plan()), "0 0 0") << "at rest";
    size_t needed = 0;
    for (const auto& family : w.service.spec.ipFamilies) needed += writes_needed(before, w, family);
    for (const auto& [name, slice] : before.slices)
      needed += std::ranges::count(w.service.spec.ipFamilies, slice.addressType) == 0 ? 1 : 0;
    ASSERT_LE(plan.create.size() + plan.update.size() + plan.remove.size(), needed);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, PlanHistories, testing::Range(1U, 11U));

}  // namespace
}  // namespace weft::endpoints
