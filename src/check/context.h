#pragma once

#include <string>
#include <utility>
#include <vector>

#include "check/finding.h"
#include "kube/pod.h"
#include "trace/world.h"

/// What the rules of this room have in common.
namespace weft::check {

struct Context {
  const trace::World& world;
  const std::vector<kube::YamlDocument>& manifests;  ///< those that an API server takes
  std::vector<Finding>& findings;

  void add(std::string code, Severity severity, trace::ObjectRef where, std::string message,
           std::string fix) const {
    findings.push_back({std::move(code), severity, std::move(where), std::move(message), std::move(fix)});
  }
  /// Whether it is written in a manifest, and not made or assumed.
  bool is_written(const std::string& kind, const std::string& key) const {
    auto ref = world.origins.find(kind, key);
    return !ref.file.empty() && ref.origin.empty();
  }
  /// Pods of a namespace that are written, or whose workloads are.
  std::vector<trace::Ptr<kube::Pod>> pods_in(const std::string& ns) const;
  /// "Deployment shop/web", or "Pod shop/client": what people have written.
  std::string owner_of(const kube::Pod& pod) const;
};

/// How many letters differ; 3: more than two.
int distance(std::string_view a, std::string_view b);

/// Labels that are nearly what a selector asks for.
struct Nearest {
  std::string owner;  ///< as owner_of; empty: none is near
  std::string has;    ///< "app=web"
};
/// The pod that has the most of `wanted`, and at least one of its keys with another value: one that is alike,
/// or that is of a pod whom no Service selects.
Nearest nearest(const Context& context, const std::vector<trace::Ptr<kube::Pod>>& pods,
                const kube::StringMap& wanted);

void check_services(const Context& context);
void check_pods(const Context& context);
void check_policies(const Context& context);
void check_gateways(const Context& context);

}  // namespace weft::check
