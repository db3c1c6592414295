#pragma once

#include <string_view>

#include "kube/service.h"
#include "standalone/apimachinery/field_error.h"

/// What the rules of a Service and the allocator both ask of one.
namespace weft::standalone {

constexpr const char* kNone = "None";
constexpr const char* kClusterIp = "ClusterIP";
constexpr const char* kNodePort = "NodePort";
constexpr const char* kLoadBalancer = "LoadBalancer";
constexpr const char* kExternalName = "ExternalName";

bool is_headless(const kube::ServiceSpec& spec);
bool externally_accessible(const kube::ServiceSpec& spec);
/// Whether it has a healthCheckNodePort.
bool needs_health_check(const kube::ServiceSpec& spec);
/// clusterIP, clusterIPs, ipFamilies and ipFamilyPolicy against each other.
void check_cluster_ips(FieldErrors& errors, const kube::ServiceSpec& spec);

}  // namespace weft::standalone
