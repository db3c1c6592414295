#pragma once

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "check/finding.h"
#include "check/pod_index.h"
#include "kube/selector.h"
#include "kube/yaml.h"
#include "trace/world.h"

/// What the rules of this room have in common.
namespace weft::check {

/// Pods of an object whose kind nobody here knows (a ReplicationController, a Rollout).
struct ForeignPods {
  std::string ns;
  kube::StringMap labels;
};

struct Context {
  const trace::World& world;
  const std::vector<kube::YamlDocument>& manifests;  ///< those that an API server takes
  const PodIndex& pods;
  const std::map<std::string, const kube::YamlDocument*>& documents;  ///< by "kind/namespace/name"
  const std::vector<ForeignPods>& foreign;
  std::chrono::system_clock::time_point now;
  std::vector<Finding>& findings;

  void add(std::string code, Severity severity, trace::ObjectRef where, std::string message,
           std::string fix) const {
    findings.push_back({std::move(code), severity, std::move(where), std::move(message), std::move(fix)});
  }
  /// Whether such pods come from kinds that are not known.
  bool has_foreign(const std::string& ns, const kube::Selector& selector) const {
    return std::ranges::any_of(
        foreign, [&](const ForeignPods& pods) { return pods.ns == ns && selector.matches(pods.labels); });
  }
  /// What a manifest itself says at a path, before an API server completes it; nullptr: nothing.
  const json::value* written(const std::string& kind, const std::string& key, std::string_view path) const {
    auto at = documents.find(kind + "/" + key);
    return at == documents.end() ? nullptr : kube::at_path(at->second->value, path);
  }
  /// Whether it is written in a manifest, and not made or assumed.
  bool is_written(const std::string& kind, const std::string& key) const {
    auto ref = world.origins.find(kind, key);
    return !ref.file.empty() && ref.origin.empty();
  }
};

/// An object of a manifest, for rules about fields.
struct Written {
  const kube::YamlDocument& document;
  std::string kind, ns, key;
  explicit Written(const kube::YamlDocument& from);
  trace::ObjectRef at(const Context& context, const std::string& field) const {
    return context.world.origins.find(kind, key, field);
  }
};

/// "TCP" where nothing is written.
inline std::string protocol_or_tcp(const std::string& protocol) {
  return protocol.empty() ? "TCP" : protocol;
}

/// Where a pod's field ("spec.containers[0].env[1]") is written: in its workload's template, when it has one.
trace::ObjectRef place_of(const Context& context, const kube::Pod& pod, const std::string& field);

/// Labels that are nearly what a selector asks for.
struct Nearest {
  std::string owner;  ///< as owner_of; empty: none is near
  std::string has;    ///< "app=web"
};
/// The pod that has the most of `wanted`, and at least one of its keys with another value: one that is alike,
/// or that is of a pod whom no Service selects.
Nearest nearest(const Context& context, const Pods& pods, const kube::StringMap& wanted);

void check_services(const Context& context);
void check_families(const Context& context);
void check_locality(const Context& context);
void check_pods(const Context& context);
void check_clients(const Context& context);
void check_policies(const Context& context);
void check_gateways(const Context& context);
void check_shadows(const Context& context);
void check_certificates(const Context& context);

}  // namespace weft::check
