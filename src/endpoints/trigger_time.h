#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "endpoints/plan.h"
#include "kube/time.h"

namespace weft::endpoints {

/// Finds the moment that made a Service's endpoints change, for the annotation kTriggerTime: the oldest of
/// the pods' readiness changes that were not seen before. Network programming latency is measured from it.
class TriggerTimes {
 public:
  /// Call once for each look at the Service, whether or not anything is written then. "": nothing new that
  /// carries a time, as when a pod went away.
  kube::Time compute(const std::string& key, const kube::Service& service, const std::vector<PodPtr>& pods);
  void forget(const std::string& key) { services_.erase(key); }

 private:
  struct Known {
    kube::Time service;
    std::unordered_map<std::string, kube::Time> pods;  ///< by name
  };
  std::unordered_map<std::string, Known> services_;
};

}  // namespace weft::endpoints
