#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "endpoints/packing.h"
#include "kube/node.h"

/// Hints of Services with the annotation `service.kubernetes.io/topology-mode: Auto` (KEP-2433): endpoints
/// are given to zones in proportion to the processors there, so that traffic stays in its zone and no
/// endpoint gets more than a fifth above its share. Follows Kubernetes' topology cache. Pure.
namespace weft::endpoints {

/// The part of the cluster's processors that each zone has; they add up to one. Empty when hints cannot be
/// given: fewer than two zones, or a node without a zone or processors.
using ZoneShares = std::map<std::string, double>;

/// Of nodes that are Ready and no control plane's. A node's share is what it can give to pods (allocatable).
ZoneShares zone_shares(const std::vector<std::shared_ptr<const kube::Node>>& nodes);

/// Puts hints on the endpoints of one family's slices: `changes` is what will be written anyway, `unchanged`
/// the other slices of the Service. Slices whose hints do not fit any more are added to the changes. Empty if
/// hints are given; else why not, in upstream's words: then all hints go.
std::string add_zone_hints(SliceChanges& changes, const std::vector<SlicePtr>& unchanged,
                           const ZoneShares& shares);

}  // namespace weft::endpoints
