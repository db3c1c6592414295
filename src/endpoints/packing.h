#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kube/service.h"

/// How endpoints are put into EndpointSlices, whoever they belong to: the packing rule of KEP-752, which
/// rather leaves slices half full than writes more of them. Pure.
namespace weft::endpoints {

inline constexpr const char* kServiceName = "kubernetes.io/service-name";
inline constexpr const char* kManagedBy = "endpointslice.kubernetes.io/managed-by";
inline constexpr const char* kTriggerTime = "endpoints.kubernetes.io/last-change-trigger-time";

using SlicePtr = std::shared_ptr<const kube::EndpointSlice>;

/// What to write, in this order.
struct SliceChanges {
  std::vector<kube::EndpointSlice> create;  ///< with generateName
  std::vector<kube::EndpointSlice> update;  ///< with the resourceVersion they replace
  std::vector<SlicePtr> remove;
  bool empty() const { return create.empty() && update.empty() && remove.empty(); }
  void append(SliceChanges more);
};

/// What all slices of one owner have in common. The owner is in the slices' namespace and gives them their
/// names.
struct SliceShape {
  std::string namespace_;
  kube::OwnerReference owner;
  kube::StringMap labels;
  /// Absent: a slice keeps what it has.
  std::optional<kube::StringMap> annotations;
  size_t most_per_slice = 100;
  bool always_one = false;  ///< without any endpoint there still is one slice, empty and without ports
};

/// A reference that makes `owner` the controller of a slice.
kube::OwnerReference controller_reference(const std::string& kind, const kube::ObjectMeta& owner);

/// Endpoints that may share slices: one family, one set of ports. Endpoints with the same endpoint_key() are
/// the same one, the first of them counts.
struct Group {
  std::vector<kube::EndpointPort> ports;
  std::vector<kube::Endpoint> endpoints;
};

/// What brings the owner's slices of one family ("IPv4", "IPv6") to hold exactly these groups, by
/// ports_key(). Of `slices` those of other families are ignored, and those of an earlier owner of the name
/// go.
SliceChanges pack(const SliceShape& shape, const std::string& family, std::map<std::string, Group> groups,
                  std::vector<SlicePtr> slices);

}  // namespace weft::endpoints
