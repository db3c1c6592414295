#include "gateway/policies.h"

#include <fmt/core.h>

#include <algorithm>
#include <tuple>

#include "gateway/conditions.h"
#include "gateway/names.h"
#include "kube/client/informer.h"

namespace weft::gateway {
namespace {

bool is_older(const kube::ObjectMeta& a, const kube::ObjectMeta& b) {
  auto order = [](const kube::ObjectMeta& meta) {
    return std::make_tuple(meta.creationTimestamp, kube::object_key(meta));
  };
  return order(a) < order(b);
}

bool targets(const kube::BackendTLSPolicy& policy, const std::string& service, const std::string& section) {
  return std::ranges::any_of(policy.spec.targetRefs, [&](const kube::PolicyTargetReference& target) {
    return target.group.empty() && target.kind == "Service" && target.sectionName.value_or("") == section &&
           policy.metadata.namespace_ + "/" + target.name == service;
  });
}

Ptr<kube::BackendTLSPolicy> oldest(Lookup& look, const std::string& service, const std::string& section) {
  Ptr<kube::BackendTLSPolicy> best;
  for (const auto& [key, policy] : look.group<kube::BackendTLSPolicy>(service)) {
    if (!targets(*policy, service, section)) continue;
    if (!best || is_older(policy->metadata, best->metadata)) best = policy;
  }
  return best;
}

}  // namespace

PolicyVerdict judge_policy(Lookup& look, CertificateStore& store, const kube::BackendTLSPolicy& policy) {
  PolicyVerdict out;
  const auto& validation = policy.spec.validation;
  out.tls.server_name = validation.hostname;
  for (const auto& name : validation.subjectAltNames) {
    if (name.type == "Hostname") out.tls.san_dns.push_back(name.hostname);
    if (name.type == "URI") out.tls.san_uri.push_back(name.uri);
  }
  if (validation.wellKnownCACertificates) {
    out.tls.system_ca = *validation.wellKnownCACertificates == "System";
    if (!out.tls.system_ca)
      out.unaccepted = {"Invalid", fmt::format("wellKnownCACertificates {} is not supported: use System",
                                               *validation.wellKnownCACertificates)};
    return out;
  }
  std::vector<kube::GatewayObjectReference> refs;
  for (const auto& ref : validation.caCertificateRefs) {
    auto& made = refs.emplace_back();
    made.group = ref.group;
    made.kind = ref.kind;
    made.name = ref.name;
  }
  out.unresolved =
      resolve_bundles(look, store, {kGroup, "BackendTLSPolicy", policy.metadata.namespace_}, refs,
                      "InvalidKind", "InvalidCACertificateRef", out.loaded, out.tls.ca_bundles);
  if (out.tls.ca_bundles.empty())
    out.unaccepted = {"NoValidCACertificate", "No CA certificate is valid: " + out.unresolved.message};
  return out;
}

Ptr<kube::BackendTLSPolicy> policy_for(Lookup& look, const std::string& service,
                                       const std::string& port_name) {
  auto named = port_name.empty() ? nullptr : oldest(look, service, port_name);
  return named ? named : oldest(look, service, "");
}

Problem conflict_of(Lookup& look, const kube::BackendTLSPolicy& policy) {
  for (const auto& target : policy.spec.targetRefs) {
    if (!target.group.empty() || target.kind != "Service") continue;
    auto first =
        oldest(look, policy.metadata.namespace_ + "/" + target.name, target.sectionName.value_or(""));
    if (first && kube::object_key(first->metadata) != kube::object_key(policy.metadata))
      return {"Conflicted", fmt::format("BackendTLSPolicy {} is older and has the same target, Service {}",
                                        first->metadata.name, target.name)};
  }
  return {};
}

std::vector<kube::PolicyAncestorStatus> policy_status(Lookup& look, CertificateStore& store,
                                                      const kube::BackendTLSPolicy& policy,
                                                      const std::set<std::string>& gateways) {
  constexpr size_t kMostAncestors = 16;  // the CRD takes no more
  auto verdict = judge_policy(look, store, policy);
  if (auto conflict = conflict_of(look, policy)) verdict.unaccepted = std::move(conflict);
  auto say = [&](std::string_view type, const Problem& problem, std::string_view good) {
    return condition(type, !problem, problem ? std::string_view(problem.reason) : good, problem.message,
                     policy.metadata.generation);
  };
  std::vector<kube::PolicyAncestorStatus> out;
  for (const auto& gateway : gateways) {
    if (out.size() == kMostAncestors) break;
    auto& ancestor = out.emplace_back();
    auto slash = gateway.find('/');
    ancestor.ancestorRef.group = kGroup;
    ancestor.ancestorRef.kind = "Gateway";
    ancestor.ancestorRef.namespace_ = gateway.substr(0, slash);
    ancestor.ancestorRef.name = gateway.substr(slash + 1);
    ancestor.controllerName = kController;
    ancestor.conditions = {say("Accepted", verdict.unaccepted, "Accepted"),
                           say("ResolvedRefs", verdict.unresolved, "ResolvedRefs")};
  }
  return out;
}

}  // namespace weft::gateway
