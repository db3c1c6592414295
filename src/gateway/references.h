#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/certificates.h"
#include "gateway/objects.h"

/// References to other objects: whether they are allowed, and what they lead to.
namespace weft::gateway {

/// Who refers.
struct Referrer {
  std::string_view group;
  std::string_view kind;
  std::string namespace_;
  /// "namespace/name" of a Service that it may refer to anyhow: the one that clients have asked for.
  std::string parent_service = {};
};

/// Whether a ReferenceGrant (or being of the same namespace) lets it refer to the object.
bool is_granted(Lookup& look, const Referrer& from, std::string_view group, std::string_view kind,
                const std::string& ns, const std::string& name);

/// What is wrong with a reference, in the words of the condition ResolvedRefs; an empty reason: nothing.
struct Problem {
  std::string reason;
  std::string message;
  explicit operator bool() const { return !reason.empty(); }
  bool operator==(const Problem&) const = default;
};

/// Certificates that references have led to.
struct Loaded {
  std::map<std::string, Ptr<CertificatePair>> pairs;
  std::map<std::string, Ptr<std::string>> bundles;
  bool operator==(const Loaded&) const = default;
};

/// The key of the pair, in `loaded` too; or what is wrong, with reason `invalid` or RefNotPermitted.
Problem resolve_pair(Lookup& look, CertificateStore& store, const Referrer& from,
                     const kube::SecretObjectReference& ref, std::string_view invalid, Loaded& loaded,
                     std::string& key);

/// The keys of the bundles that can be used, in `loaded` too; and what is wrong with the first that cannot.
/// `invalid_kind`, `invalid`: the reasons for that.
Problem resolve_bundles(Lookup& look, CertificateStore& store, const Referrer& from,
                        const std::vector<kube::GatewayObjectReference>& refs, std::string_view invalid_kind,
                        std::string_view invalid, Loaded& loaded, std::vector<std::string>& keys);

}  // namespace weft::gateway
