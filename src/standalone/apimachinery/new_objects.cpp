#include "standalone/apimachinery/new_objects.h"

#include <fmt/core.h>

#include <algorithm>

#include "kube/codec.h"
#include "kube/service.h"
#include "standalone/apimachinery/fields.h"
#include "standalone/apimachinery/kinds.h"
#include "standalone/apimachinery/service_families.h"
#include "standalone/apimachinery/validation.h"

namespace weft::standalone {
namespace {

std::unexpected<Error> refused(const FieldErrors& errors) {
  std::string text;
  for (const auto& error : errors) text += (text.empty() ? "" : "; ") + error.text();
  return fail(ErrorCode::invalid, std::move(text));
}

/// A kind in the version that is served, or in an older one of the same shape.
const kube::KindInfo* find_kind(const json::value& object) {
  auto version = kube::string_at(object, "apiVersion");
  auto kind = kube::string_at(object, "kind");
  auto slash = version.find('/');
  auto group = slash == version.npos ? std::string_view() : version.substr(0, slash);
  const auto& all = kube::builtin_kinds();
  auto at = std::ranges::find_if(all, [&](const kube::KindInfo& info) {
    return info.resource.kind == kind && info.resource.group == group;
  });
  return at == all.end() ? nullptr : &*at;
}

bool is_cron_job(const json::value& object) {
  return kube::string_at(object, "kind") == "CronJob" &&
         kube::string_at(object, "apiVersion").starts_with("batch/");
}

ServiceRanges in_order(ServiceRanges ranges) {
  ranges.choosing = Choosing::in_order;
  return ranges;
}

}  // namespace

NewObjects::NewObjects(ServiceRanges ranges) : ranges_(in_order(std::move(ranges))), services_(ranges_) {}

Expected<void> NewObjects::complete(json::value& object) {
  if (!object.is_object()) return {};
  if (is_cron_job(object)) return complete_cron_job(object);
  const auto* kind = find_kind(object);
  if (!kind) return {};
  WEFT_TRY(auto errors, complete_built_in(*kind, object));
  if (!errors.empty()) return refused(errors);
  return {};
}

Expected<FieldErrors> NewObjects::complete_built_in(const kube::KindInfo& kind, json::value& object) {
  prune(object, *kind.schema);
  WEFT_CHECK(check_types(object, *kind.schema));
  drop_nulls(object, *kind.schema);
  json::object status;
  if (const auto* told = kube::member(object, "status"); told && told->is_object())
    status = told->get_object();
  default_object(kind.resource, *kind.schema, object);
  auto& meta = kube::object_at(object.get_object(), "metadata");
  if (!meta.contains("uid")) meta["uid"] = fmt::format("00000000-0000-4000-8000-{:012x}", ++count_);
  if (kind.resource.namespaced && !meta.contains("namespace")) meta["namespace"] = "default";
  // A server names such objects by chance; here the same manifests give the same.
  if (!meta.contains("name") && meta.contains("generateName"))
    meta["name"] = fmt::format("{}{}", std::string_view(meta["generateName"].as_string()), count_);
  prepare_for_create(kind.resource, kind.has_status, object);
  if (kind.resource.kind == "Service") WEFT_CHECK(give_addresses(object));
  auto errors = validate_create(kind.resource, *kind.schema, object);
  if (errors.empty() && !status.empty()) object.get_object()["status"] = std::move(status);
  return errors;
}

/// With the metadata of the CronJob, which has to be as good.
Expected<void> NewObjects::complete_cron_job(json::value& object) {
  json::value job{{"apiVersion", "batch/v1"}, {"kind", "Job"}};
  if (const auto* meta = kube::member(object, "metadata")) job.get_object()["metadata"] = *meta;
  if (const auto* spec = kube::at_path(object, "spec.jobTemplate.spec")) job.get_object()["spec"] = *spec;
  WEFT_TRY(auto errors, complete_built_in(*find_kind(job), job));
  for (auto& error : errors) {
    if (error.field.starts_with("spec")) error.field.insert(0, "spec.jobTemplate.");
  }
  if (!errors.empty()) return refused(errors);
  object.get_object()["metadata"] = job.at("metadata");
  kube::object_at(object.get_object(), "spec.jobTemplate")["spec"] = job.at("spec");
  return {};
}

Expected<void> NewObjects::give_addresses(json::value& service) {
  auto taken = services_.allocate(service, nullptr);
  if (taken) {
    taken->commit();
    return {};
  }
  // Addresses of another cluster's ranges are taken as they are.
  WEFT_TRY(auto object, kube::decode<kube::Service>(service));
  auto& spec = object.spec;
  bool written = !spec.clusterIP.empty() && spec.type != "ExternalName" &&
                 std::ranges::none_of(ranges_.cluster_ips, [&](const IpPrefix& range) {
                   auto address = IpAddr::parse(spec.clusterIP);
                   return address && range.contains(*address);
                 });
  if (!written) return refused(taken.error());
  sync_cluster_ips(spec, nullptr);
  if (spec.ipFamilies.empty()) {
    for (const auto& text : spec.clusterIPs) {
      if (auto address = IpAddr::parse(text))
        spec.ipFamilies.emplace_back(address->is_v4() ? "IPv4" : "IPv6");
    }
  }
  if (!spec.ipFamilyPolicy)
    spec.ipFamilyPolicy = spec.ipFamilies.size() > 1 ? "RequireDualStack" : "SingleStack";
  service = kube::encode(object);
  return {};
}

}  // namespace weft::standalone
