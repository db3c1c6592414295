#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "kube/meta.h"
#include "kube/pod.h"
#include "kube/service.h"
#include "trace/world.h"

namespace weft::check {

using PodPtr = trace::Ptr<kube::Pod>;
using Pods = std::vector<PodPtr>;

/// Pods that are written, or whose workloads are, by what rules ask of them. What it costs to ask is that of
/// the answer, not of all pods.
class PodIndex {
 public:
  explicit PodIndex(const trace::World& world);

  /// By name.
  const Pods& in(const std::string& ns) const;
  /// One of each workload of the namespace: its pods are alike.
  const Pods& kinds_in(const std::string& ns) const;
  /// Those of a namespace that a Service's selector means; of an empty one none.
  Pods selected(const std::string& ns, const kube::StringMap& selector) const;
  /// The Services that select it, by name.
  const std::vector<trace::Ptr<kube::Service>>& services_of(const kube::Pod& pod) const;
  /// "Deployment shop/web", or "Pod shop/client": what people have written.
  std::string owner_of(const kube::Pod& pod) const;

 private:
  const trace::World& world_;
  std::map<std::string, Pods> pods_;   ///< by namespace
  std::map<std::string, Pods> kinds_;  ///< by namespace
  /// By "namespace/key=value".
  std::unordered_map<std::string, Pods> labelled_;
  std::unordered_map<const kube::Pod*, std::vector<trace::Ptr<kube::Service>>> services_;
};

}  // namespace weft::check
