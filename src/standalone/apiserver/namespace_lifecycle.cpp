#include "standalone/apiserver/namespace_lifecycle.h"

#include <spdlog/spdlog.h>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

namespace weft::standalone {

constexpr const char* kNamespaces = "/namespaces";
/// Whoever deletes a namespace together with what is in it still finds the latter.
constexpr auto kGrace = std::chrono::seconds(1);

NamespaceLifecycle::NamespaceLifecycle(boost::asio::io_context& io, Store& store, const KindTable& kinds,
                                       Registry& registry, std::string ca_pem)
    : io_(io), store_(store), kinds_(kinds), registry_(registry), ca_pem_(std::move(ca_pem)) {
  store_.subscribe(
      "", [this](const std::string& resource, const Change& change) { on_change(resource, change); });
}

void NamespaceLifecycle::restore() {
  for (const auto& object : store_.list(kNamespaces, ""))
    on_change(kNamespaces, {object->version, nullptr, object});
}

void NamespaceLifecycle::on_change(const std::string& resource, const Change& change) {
  if (resource == kNamespaces) {
    if (change.deleted) return;
    std::string ns(kube::string_at(change.now->value, "metadata.name"));
    if (kube::at_path(change.now->value, "metadata.deletionTimestamp")) {
      empty_later(ns);
    } else if (!change.before) {
      boost::asio::post(io_, [this, ns] { furnish(ns); });
    }
    return;
  }
  if (!change.deleted) return;
  std::string ns(kube::string_at(change.now->value, "metadata.namespace"));
  if (!ns.empty() && is_ending(ns)) boost::asio::post(io_, [this, ns] { finish_if_empty(ns); });
}

void NamespaceLifecycle::empty_later(const std::string& ns) {
  auto timer = std::make_shared<boost::asio::steady_timer>(io_, kGrace);
  timer->async_wait([this, ns, timer](auto error) {
    if (!error) empty(ns);
  });
}

bool NamespaceLifecycle::is_ending(const std::string& ns) const {
  auto object = store_.get(kNamespaces, "", ns);
  return object && kube::at_path(object->value, "metadata.deletionTimestamp");
}

void NamespaceLifecycle::create(const std::string& ns, const char* plural, json::object object) {
  std::string name(kube::string_at(object, "metadata.name"));
  if (store_.get(std::string("/") + plural, ns, name)) return;
  Write write{.kind = kinds_.find("", "v1", plural), .ns = ns, .name = {}, .manager = "weft-apiserver"};
  auto written = registry_.create(write, std::move(object));
  if (!written) spdlog::debug("{} {}/{}: {}", plural, ns, name, written.error().error.message);
}

void NamespaceLifecycle::furnish(const std::string& ns) {
  if (!store_.get(kNamespaces, "", ns) || is_ending(ns)) return;
  create(ns, "serviceaccounts", {{"metadata", {{"name", "default"}}}});
  create(ns, "configmaps", {{"metadata", {{"name", "kube-root-ca.crt"}}}, {"data", {{"ca.crt", ca_pem_}}}});
}

void NamespaceLifecycle::empty(const std::string& ns) {
  if (!is_ending(ns)) return;
  for (const auto& resource : store_.resources()) {
    auto kind = kinds_.find_stored(resource);
    if (!kind || !kind->info.namespaced) continue;
    for (const auto& object : store_.list(resource, ns)) {
      if (kube::at_path(object->value, "metadata.deletionTimestamp")) continue;
      Write write{
          .kind = kind, .ns = ns, .name = std::string(kube::string_at(object->value, "metadata.name"))};
      auto written = registry_.remove(
          write, {.grace_seconds = {}, .uid = {}, .resource_version = {}, .propagation = "Background"});
      if (!written) spdlog::warn("namespace {}: {}", ns, written.error().error.message);
    }
  }
  finish_if_empty(ns);
}

void NamespaceLifecycle::finish_if_empty(const std::string& ns) {
  if (!is_ending(ns)) return;
  for (const auto& resource : store_.resources()) {
    auto kind = kinds_.find_stored(resource);
    if (kind && kind->info.namespaced && !store_.list(resource, ns, {}, 1).empty()) return;
  }
  Write write{.kind = kinds_.find("", "v1", "namespaces"), .ns = {}, .name = ns, .subresource = "finalize"};
  auto written = registry_.update(write, [](const json::value& old, bool&) -> ApiResult<json::value> {
    json::value next = old;
    kube::object_at(next.get_object(), "spec")["finalizers"] = json::array();
    return next;
  });
  if (!written) spdlog::warn("namespace {}: {}", ns, written.error().error.message);
}

}  // namespace weft::standalone
