#pragma once

#include <cstdint>

#include "base/error.h"
#include "kube/json.h"
#include "kube/registry.h"
#include "standalone/apimachinery/field_error.h"
#include "standalone/apimachinery/service_allocator.h"

namespace weft::standalone {

/// What an API server would store of new objects, for those who have manifests and no server. Addresses
/// and node ports of Services that do not ask for any are given in order, so that the same manifests give the
/// same each time.
class NewObjects {
 public:
  explicit NewObjects(ServiceRanges ranges);

  /// What this Service asks for is not given to others that are completed before it.
  void keep(const json::value& service) { services_.keep(service); }

  /// Completes an object in place as a create would: types checked, defaults, a uid, the Service's addresses.
  /// Its status stays, so that what `kubectl get -o yaml` has printed is taken as it is. An object of a kind
  /// that is not built in is left alone; but a CronJob, which the server does not have, is taken by the Jobs
  /// that it would make. Fails as the server would: "spec.ports[0].port: Invalid value: …",
  /// several joined by "; ".
  Expected<void> complete(json::value& object);

 private:
  /// What is wrong with it, when it is of the right types.
  Expected<FieldErrors> complete_built_in(const kube::KindInfo& kind, json::value& object);
  Expected<void> complete_cron_job(json::value& object);
  Expected<void> give_addresses(json::value& service);

  ServiceRanges ranges_;
  ServiceAllocator services_;
  uint64_t count_ = 0;
};

}  // namespace weft::standalone
