#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kube/meta.h"

/// The kinds of weft.dev/v1alpha1. Our API server has them built in; another cluster
/// serves them once deploy/crds has been applied.
namespace weft::kube {

/// Which addresses a pool has and who may get them.
struct AddressPoolSpec : Described {
  std::vector<std::string> addresses;  ///< "192.0.2.0/24", "192.0.2.10-192.0.2.20", of both families
  std::optional<LabelSelector> namespaceSelector;  ///< absent: all
  std::optional<LabelSelector> serviceSelector;    ///< absent: all
  std::optional<bool> autoAssign;                  ///< absent: true
  bool operator==(const AddressPoolSpec&) const = default;
};

/// How the pool is doing.
struct AddressPoolStatus : Described {
  std::vector<Condition> conditions;  ///< Ready
  int64_t assigned = 0;               ///< addresses in use
  int64_t available = 0;              ///< addresses left; 2^63-1 also stands for more
  bool operator==(const AddressPoolStatus&) const = default;
};

/// Addresses for Services of type LoadBalancer.
struct AddressPool : Described {
  ObjectMeta metadata;
  AddressPoolSpec spec;
  AddressPoolStatus status;
  bool operator==(const AddressPool&) const = default;
};

}  // namespace weft::kube
