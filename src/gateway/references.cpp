#include "gateway/references.h"

#include <fmt/core.h>

#include <algorithm>

namespace weft::gateway {
namespace {

Problem not_permitted(std::string_view kind, const std::string& key) {
  return {"RefNotPermitted", fmt::format("No ReferenceGrant allows the reference to {} {}", kind, key)};
}

}  // namespace

bool is_granted(Lookup& look, const Referrer& from, std::string_view group, std::string_view kind,
                const std::string& ns, const std::string& name) {
  if (ns == from.namespace_) return true;
  if (group.empty() && kind == "Service" && from.parent_service == ns + "/" + name) return true;
  auto lets_in = [&](const kube::ReferenceGrantFrom& one) {
    return one.group == from.group && one.kind == from.kind && one.namespace_ == from.namespace_;
  };
  auto leads_to = [&](const kube::ReferenceGrantTo& one) {
    return one.group == group && one.kind == kind && (!one.name || *one.name == name);
  };
  return std::ranges::any_of(look.group<kube::ReferenceGrant>(ns), [&](const auto& grant) {
    return std::ranges::any_of(grant.second->spec.from, lets_in) &&
           std::ranges::any_of(grant.second->spec.to, leads_to);
  });
}

Problem resolve_pair(Lookup& look, CertificateStore& store, const Referrer& from,
                     const kube::SecretObjectReference& ref, std::string_view invalid, Loaded& loaded,
                     std::string& key) {
  auto group = ref.group.value_or("");
  auto kind = ref.kind.value_or("Secret");
  if (!group.empty() || kind != "Secret")
    return {std::string(invalid),
            fmt::format("{}/{} {}: only a Secret can hold a certificate and its key", group, kind, ref.name)};
  auto ns = ref.namespace_.empty() ? from.namespace_ : ref.namespace_;
  auto name = ns + "/" + ref.name;
  if (!is_granted(look, from, "", "Secret", ns, ref.name)) return not_permitted("Secret", name);
  auto secret = look.get<kube::Secret>(name);
  if (!secret) return {std::string(invalid), fmt::format("Secret {} is not there", name)};
  auto pair = store.pair(secret);
  if (!pair) return {std::string(invalid), pair.error().message};
  loaded.pairs[name] = *pair;
  key = std::move(name);
  return {};
}

Problem resolve_bundles(Lookup& look, CertificateStore& store, const Referrer& from,
                        const std::vector<kube::GatewayObjectReference>& refs, std::string_view invalid_kind,
                        std::string_view invalid, Loaded& loaded, std::vector<std::string>& keys) {
  Problem first;
  auto wrong = [&](Problem problem) {
    if (!first) first = std::move(problem);
  };
  for (const auto& ref : refs) {
    if (!ref.group.empty() || ref.kind != "ConfigMap") {
      wrong({std::string(invalid_kind), fmt::format("{}/{} {}: only a ConfigMap can hold CA certificates",
                                                    ref.group, ref.kind, ref.name)});
      continue;
    }
    auto ns = ref.namespace_.empty() ? from.namespace_ : ref.namespace_;
    auto name = ns + "/" + ref.name;
    if (!is_granted(look, from, "", "ConfigMap", ns, ref.name)) {
      wrong(not_permitted("ConfigMap", name));
      continue;
    }
    auto map = look.get<kube::ConfigMap>(name);
    if (!map) {
      wrong({std::string(invalid), fmt::format("ConfigMap {} is not there", name)});
      continue;
    }
    auto bundle = store.bundle(map);
    if (!bundle) {
      wrong({std::string(invalid), bundle.error().message});
      continue;
    }
    loaded.bundles[name] = *bundle;
    keys.push_back(std::move(name));
  }
  return first;
}

}  // namespace weft::gateway
