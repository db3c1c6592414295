#pragma once

#include <string>

#include "gateway/config/config.h"
#include "gateway/objects.h"
#include "gateway/references.h"

/// BackendTLSPolicies: what they say, which of several holds, and how they are doing.
namespace weft::gateway {

struct PolicyVerdict {
  Problem unaccepted;  ///< it has no CA that can be used
  Problem unresolved;  ///< what of its references is wrong
  BackendTls tls;
  Loaded loaded;
};

PolicyVerdict judge_policy(Lookup& look, CertificateStore& store, const kube::BackendTLSPolicy& policy);

/// The policy for a port of a Service ("namespace/name"): one for the port by its name before one for the
/// whole Service, older ones first; or nullptr.
Ptr<kube::BackendTLSPolicy> policy_for(Lookup& look, const std::string& service,
                                       const std::string& port_name);

/// The condition Accepted's problem when an older policy has the same target.
Problem conflict_of(Lookup& look, const kube::BackendTLSPolicy& policy);

/// The conditions of a policy at each Gateway that uses what it targets.
std::vector<kube::PolicyAncestorStatus> policy_status(Lookup& look, CertificateStore& store,
                                                      const kube::BackendTLSPolicy& policy,
                                                      const std::set<std::string>& gateways);

}  // namespace weft::gateway
