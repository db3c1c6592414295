#include "standalone/apiserver/crd_lifecycle.h"

#include <fmt/core.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/post.hpp>

#include "kube/time.h"

namespace weft::standalone {
namespace {

constexpr const char* kCrds = "apiextensions.k8s.io/customresourcedefinitions";
constexpr const char* kFinalizer = "customresourcecleanup.apiextensions.k8s.io";

std::string store_key_of(const json::value& crd) {
  return fmt::format("{}/{}", kube::string_at(crd, "spec.group"), kube::string_at(crd, "spec.names.plural"));
}

void set_finalizer(json::value& crd, bool present) {
  auto& metadata = kube::object_at(crd.get_object(), "metadata");
  json::array kept;
  if (auto* list = metadata.if_contains("finalizers"); list && list->is_array()) {
    for (auto& one : list->get_array()) {
      if (one != json::value(kFinalizer)) kept.push_back(std::move(one));
    }
  }
  if (present) kept.emplace_back(kFinalizer);
  metadata.erase("finalizers");
  if (!kept.empty()) metadata["finalizers"] = std::move(kept);
}

}  // namespace

CrdLifecycle::CrdLifecycle(boost::asio::io_context& io, Store& store, KindTable& kinds, Registry& registry)
    : io_(io), store_(store), kinds_(kinds), registry_(registry) {
  store_.subscribe(kCrds, [this](const std::string&, const Change& change) { on_change(change); });
}

void CrdLifecycle::restore() {
  for (const auto& crd : store_.list(kCrds, "")) on_change({crd->version, nullptr, crd});
}

Write CrdLifecycle::write_for(const std::string& name, const char* subresource) const {
  return {.kind = kinds_.find_stored(kCrds),
          .ns = {},
          .name = name,
          .subresource = subresource,
          .manager = "weft-apiserver"};
}

void CrdLifecycle::on_change(const Change& change) {
  const auto& crd = change.now->value;
  std::string name(kube::string_at(crd, "metadata.name"));
  if (change.deleted) {
    kinds_.remove_custom(store_key_of(crd));
    return;
  }
  if (kube::at_path(crd, "metadata.deletionTimestamp")) {
    boost::asio::post(io_, [this, name] { end(name); });
    return;
  }
  const auto* spec = kube::member(crd, "spec");
  const auto* before = change.before ? kube::member(change.before->value, "spec") : nullptr;
  if (before && spec && *before == *spec) return;
  if (conflict_of(crd).empty()) serve(crd);
  boost::asio::post(io_, [this, name] { establish(name); });
}

std::string CrdLifecycle::conflict_of(const json::value& crd) const {
  auto group = kube::string_at(crd, "spec.group");
  auto kind = kube::string_at(crd, "spec.names.kind");
  auto key = store_key_of(crd);
  for (const auto& other : kinds_.all()) {
    if (other->info.group != group) continue;
    if (!other->custom && other->store_key() == key && other->info.kind != kind) {
      return fmt::format("\"{}\" is already in use", key);
    }
    if (other->store_key() != key && other->info.kind == kind)
      return fmt::format("\"{}\" is already in use", kind);
  }
  return {};
}

void CrdLifecycle::serve(const json::value& crd) {
  auto known = kinds_.find_stored(store_key_of(crd));
  if (known && !known->custom && !known->yields) return;
  auto versions = crd_versions(crd);
  if (!versions) {
    spdlog::warn("{}: not served: {}", kube::string_at(crd, "metadata.name"), versions.error()[0].text());
    return;
  }
  kinds_.serve_custom(*versions);
}

void CrdLifecycle::establish(const std::string& name) {
  auto finalizer =
      registry_.update(write_for(name, ""), [](const json::value& old, bool&) -> ApiResult<json::value> {
        json::value next = old;
        set_finalizer(next, true);
        return next;
      });
  auto status = registry_.update(write_for(name, "status"),
                                 [&](const json::value& old, bool&) -> ApiResult<json::value> {
                                   json::value next = old;
                                   establish_crd(next, kube::now_time(), conflict_of(old));
                                   return next;
                                 });
  for (const auto* written : {&finalizer, &status}) {
    if (!*written && written->error().error.code != ErrorCode::not_found) {
      spdlog::warn("{}: {}", name, written->error().error.message);
    }
  }
}

void CrdLifecycle::end(const std::string& name) {
  auto crd = store_.get(kCrds, "", name);
  if (!crd || !kube::at_path(crd->value, "metadata.deletionTimestamp")) return;
  auto key = store_key_of(crd->value);
  auto kind = kinds_.find_stored(key);
  for (const auto& object : store_.list(key, "")) {
    if (!kind || !kind->custom) break;
    Write write{.kind = kind,
                .ns = std::string(kube::string_at(object->value, "metadata.namespace")),
                .name = std::string(kube::string_at(object->value, "metadata.name"))};
    (void)registry_.remove(write, {});
  }
  if (kind && kind->custom && store_.count(key) > 0) {
    // Some have finalizers of their own: look again when they may be gone.
    auto id = std::make_shared<int>();
    *id = store_.subscribe(key, [this, id, name](const std::string&, const Change& change) {
      if (!change.deleted) return;
      store_.unsubscribe(*id);
      boost::asio::post(io_, [this, name] { end(name); });
    });
    return;
  }
  auto written =
      registry_.update(write_for(name, ""), [](const json::value& old, bool&) -> ApiResult<json::value> {
        json::value next = old;
        set_finalizer(next, false);
        return next;
      });
  if (!written && written.error().error.code != ErrorCode::not_found) {
    spdlog::warn("{}: {}", name, written.error().error.message);
  }
}

}  // namespace weft::standalone
