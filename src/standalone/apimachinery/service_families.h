#pragma once

#include <string>
#include <vector>

#include "kube/service.h"
#include "standalone/apimachinery/field_error.h"

/// The steps before allocation: what a client left out of a Service is taken over or chosen.
namespace weft::standalone {

/// An update that leaves out clusterIP, nodePorts or healthCheckNodePort keeps those of `old`.
void keep_allocated(kube::ServiceSpec& spec, const kube::ServiceSpec& old);

/// Makes clusterIP and clusterIPs agree when a client wrote only one of them. `old`: nullptr for a new
/// Service.
void sync_cluster_ips(kube::ServiceSpec& spec, const kube::ServiceSpec* old);

/// Chooses ipFamilyPolicy and ipFamilies (KEP-563). `families`: those of the cluster, the primary one first.
FieldErrors choose_families(kube::ServiceSpec& spec, const kube::ServiceSpec* old,
                            const std::vector<std::string>& families);

/// A PreferDualStack Service whose addresses stay as they are: it is not upgraded by chance.
bool keeps_preferred_stack(const kube::ServiceSpec& spec, const kube::ServiceSpec* old);

}  // namespace weft::standalone
