#include "gateway/objects.h"

#include <algorithm>

#include "gateway/mesh.h"
#include "gateway/names.h"

namespace weft::gateway {
namespace {

std::string key_in(const std::string& ns, const kube::ObjectMeta& meta, const std::string& name) {
  return (ns.empty() ? meta.namespace_ : ns) + "/" + name;
}

}  // namespace

std::vector<std::string> groups_of(const kube::ReferenceGrant& grant) { return {grant.metadata.namespace_}; }

std::vector<std::string> groups_of(const kube::ListenerSet& set) {
  const auto& parent = set.spec.parentRef;
  if (parent.group.value_or(std::string(kGroup)) != kGroup || parent.kind.value_or("Gateway") != "Gateway")
    return {};
  return {key_in(parent.namespace_, set.metadata, parent.name)};
}

std::vector<std::string> groups_of(const kube::EndpointSlice& slice) {
  if (auto mesh = mesh_of(slice); !mesh.empty()) return {std::move(mesh)};
  auto at = slice.metadata.labels.find(std::string(kServiceName));
  if (at == slice.metadata.labels.end()) return {};
  return {slice.metadata.namespace_ + "/" + at->second};
}

std::vector<std::string> groups_of(const kube::BackendTLSPolicy& policy) {
  std::set<std::string> out;
  for (const auto& target : policy.spec.targetRefs) {
    if (target.group.empty() && target.kind == "Service")
      out.insert(policy.metadata.namespace_ + "/" + target.name);
  }
  return {out.begin(), out.end()};
}

std::vector<std::string> groups_of(const kube::GatewayClass& class_) { return {class_.spec.controllerName}; }

std::vector<std::string> groups_of(const kube::IngressClass&) { return {""}; }

std::vector<std::string> groups_of(const kube::Ingress& ingress) {
  if (ingress.spec.tls.empty()) return {};
  return {"tls"};
}

void Readers::replace(const PartId& part, std::vector<std::string> reads) {
  std::ranges::sort(reads);
  reads.erase(std::unique(reads.begin(), reads.end()), reads.end());
  auto held = reads_.find(part);
  if (held != reads_.end() && held->second == reads) return;
  if (held != reads_.end()) {
    for (const auto& what : held->second) {
      auto at = readers_.find(what);
      at->second.erase(part);
      if (at->second.empty()) readers_.erase(at);
    }
  }
  for (const auto& what : reads) readers_[what].insert(part);
  if (!reads.empty()) {
    reads_[part] = std::move(reads);
  } else if (held != reads_.end()) {
    reads_.erase(held);
  }
}

const std::set<PartId>* Readers::of(const std::string& what) const {
  auto at = readers_.find(what);
  return at == readers_.end() ? nullptr : &at->second;
}

}  // namespace weft::gateway
