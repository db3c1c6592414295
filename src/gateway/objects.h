#pragma once

#include <compare>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "gateway/infrastructure.h"
#include "kube/config.h"
#include "kube/gateway.h"
#include "kube/gateway_policy.h"
#include "kube/gateway_routes.h"
#include "kube/networking.h"
#include "kube/resource.h"
#include "kube/service.h"

/// The objects that the plan works from, and who has looked at which: a change of one makes exactly those
/// dirty that looked at it (or for it, when it was not there).
namespace weft::gateway {

template <class T>
using Ptr = std::shared_ptr<const T>;

/// What is worked out by itself, and again when something that it read changes.
enum class Part { class_, mesh, gateway, route, backend, endpoints, policy };

struct PartId {
  Part part;
  std::string key;
  auto operator<=>(const PartId&) const = default;
};

/// Under which other names objects of a kind are looked for, besides their own.
std::vector<std::string> groups_of(const kube::ReferenceGrant& grant);  ///< its namespace
std::vector<std::string> groups_of(const kube::ListenerSet& set);       ///< its Gateway
std::vector<std::string> groups_of(const kube::EndpointSlice& slice);   ///< its Service, or mesh_key() of it
std::vector<std::string> groups_of(const kube::BackendTLSPolicy& policy);  ///< the Services it targets
std::vector<std::string> groups_of(const kube::GatewayClass& class_);      ///< its controller
std::vector<std::string> groups_of(const kube::IngressClass& class_);      ///< all are ""
std::vector<std::string> groups_of(const kube::Ingress& ingress);          ///< "tls" of one with certificates
template <class T>
std::vector<std::string> groups_of(const T&) {
  return {};
}

/// Whether a change of an object can matter: status, resourceVersion and the like do not.
template <class T>
bool matters(const T& before, const T& after) {
  const auto& a = before.metadata;
  const auto& b = after.metadata;
  if (a.uid != b.uid || a.generation != b.generation || a.creationTimestamp != b.creationTimestamp ||
      a.labels != b.labels || a.annotations != b.annotations || a.deletionTimestamp != b.deletionTimestamp)
    return true;
  if constexpr (std::is_same_v<T, kube::Secret> || std::is_same_v<T, kube::ConfigMap>)
    return before.data != after.data;
  else if constexpr (std::is_same_v<T, kube::EndpointSlice>)
    return before.endpoints != after.endpoints || before.ports != after.ports;
  else
    return !(before.spec == after.spec);
}

class Objects {
 public:
  template <class T>
  Ptr<T> find(const std::string& key) const {
    const auto& all = std::get<Kind<T>>(kinds_).all;
    auto at = all.find(key);
    return at == all.end() ? nullptr : at->second;
  }
  /// By key.
  template <class T>
  const std::map<std::string, Ptr<T>>& group(const std::string& name) const {
    static const std::map<std::string, Ptr<T>> none;
    const auto& groups = std::get<Kind<T>>(kinds_).groups;
    auto at = groups.find(name);
    return at == groups.end() ? none : at->second;
  }
  template <class T>
  const std::unordered_map<std::string, Ptr<T>>& all() const {
    return std::get<Kind<T>>(kinds_).all;
  }

  /// Stores `after`, or removes it when it is nullptr. Tells what has changed, for Readers::touched.
  template <class T>
  std::vector<std::string> put(const std::string& key, const Ptr<T>& after) {
    auto& kind = std::get<Kind<T>>(kinds_);
    auto& held = kind.all[key];
    Ptr<T> before = std::exchange(held, after);
    if (!after) kind.all.erase(key);
    std::set<std::string> changed;
    if (!before || !after || matters(*before, *after)) changed.insert(name_of<T>(key));
    auto old_groups = before ? groups_of(*before) : std::vector<std::string>();
    auto new_groups = after ? groups_of(*after) : std::vector<std::string>();
    for (const auto& group : old_groups) {
      auto at = kind.groups.find(group);
      at->second.erase(key);
      if (at->second.empty()) kind.groups.erase(at);
    }
    for (const auto& group : new_groups) kind.groups[group][key] = after;
    if (!changed.empty()) {
      for (const auto& group : old_groups) changed.insert(group_name_of<T>(group));
      for (const auto& group : new_groups) changed.insert(group_name_of<T>(group));
    }
    return {changed.begin(), changed.end()};
  }

  template <class T>
  static std::string name_of(const std::string& key) {
    return kube::resource_of<T>().kind + "/" + key;
  }
  template <class T>
  static std::string group_name_of(const std::string& group) {
    return kube::resource_of<T>().kind + "@" + group;
  }

  std::map<std::string, Infrastructure> infrastructure;  ///< by Gateway

 private:
  template <class T>
  struct Kind {
    std::unordered_map<std::string, Ptr<T>> all;
    std::unordered_map<std::string, std::map<std::string, Ptr<T>>> groups;
  };
  std::tuple<Kind<kube::GatewayClass>, Kind<kube::Gateway>, Kind<kube::ListenerSet>, Kind<kube::HTTPRoute>,
             Kind<kube::GRPCRoute>, Kind<kube::TLSRoute>, Kind<kube::TCPRoute>, Kind<kube::UDPRoute>,
             Kind<kube::ReferenceGrant>, Kind<kube::BackendTLSPolicy>, Kind<kube::Service>,
             Kind<kube::EndpointSlice>, Kind<kube::Secret>, Kind<kube::ConfigMap>, Kind<kube::Namespace>,
             Kind<kube::Ingress>, Kind<kube::IngressClass>, Kind<kube::XMesh>>
      kinds_;
};

/// Objects as one part looks at them; remembers what it asked for.
class Lookup {
 public:
  explicit Lookup(const Objects& objects) : objects_(objects) {}

  template <class T>
  Ptr<T> get(const std::string& key) {
    note(Objects::name_of<T>(key));
    return objects_.find<T>(key);
  }
  template <class T>
  const std::map<std::string, Ptr<T>>& group(const std::string& name) {
    note(Objects::group_name_of<T>(name));
    return objects_.group<T>(name);
  }
  void note(std::string what) { reads_.push_back(std::move(what)); }
  const std::vector<std::string>& reads() const { return reads_; }

 private:
  const Objects& objects_;
  std::vector<std::string> reads_;
};

/// Who has read what.
class Readers {
 public:
  /// From now on the part has read this, and nothing else.
  void replace(const PartId& part, std::vector<std::string> reads);
  void erase(const PartId& part) { replace(part, {}); }
  /// Parts that have read it; or nullptr.
  const std::set<PartId>* of(const std::string& what) const;

 private:
  std::unordered_map<std::string, std::set<PartId>> readers_;
  std::map<PartId, std::vector<std::string>> reads_;
};

}  // namespace weft::gateway
