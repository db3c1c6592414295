#include "check/check.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "check/context.h"
#include "gateway/names.h"

namespace weft::check {
namespace {

/// Whether the object is of a version whose rules are known.
bool is_current(const kube::YamlDocument& document) {
  auto version = kube::string_at(document.value, "apiVersion");
  return version.find("alpha") == std::string_view::npos && version.find("beta") == std::string_view::npos;
}

/// A port of only digits in quotes is a name to an API server, and none that it takes.
bool is_quoted_number(const std::string& field, const Error& why) {
  auto name = field.substr(field.rfind('.') + 1);
  return (name == "targetPort" || name == "port") &&
         why.message.find("must contain at least one letter") != std::string::npos;
}

/// What was wrong begins with its field.
void refused(const kube::YamlDocument& document, const Error& why, std::vector<Finding>& findings) {
  Finding out{.code = "WEFT0001",
              .severity = is_current(document) ? Severity::error : Severity::note,
              .where = {},
              .message = why.message,
              .fix = {}};
  auto field = why.message.substr(0, why.message.find(':'));
  if (is_quoted_number(field, why)) out.fix = "Write the number without quotes";
  out.where.kind = kube::string_at(document.value, "kind");
  out.where.namespace_ = kube::string_at(document.value, "metadata.namespace");
  out.where.name = kube::string_at(document.value, "metadata.name");
  out.where.file = document.file;
  out.where.line = document.line_of(field);
  findings.push_back(std::move(out));
}

/// Of a kind and group that the machinery has completed.
bool is_known(const json::value& object) { return !kube::string_at(object, "metadata.uid").empty(); }

/// Those that an API server takes, on their own.
std::vector<kube::YamlDocument> taken(const std::vector<kube::YamlDocument>& manifests,
                                      const MakeMachinery& make, std::vector<Finding>& findings) {
  std::vector<kube::YamlDocument> out;
  auto machinery = make(manifests);
  for (const auto& document : manifests) {
    auto copy = document.value;
    if (auto done = machinery.complete(copy); !done)
      refused(document, done.error(), findings);
    else if (is_known(copy))
      out.push_back(document);
  }
  return out;
}

/// What has a template for pods, and is no workload that the machinery makes pods of.
std::vector<ForeignPods> foreign_pods(const std::vector<kube::YamlDocument>& manifests) {
  std::vector<ForeignPods> out;
  for (const auto& document : manifests) {
    auto version = kube::string_at(document.value, "apiVersion");
    const auto* labels = kube::at_path(document.value, "spec.template.metadata.labels");
    if (version == "apps/v1" || version == "batch/v1" || !labels || !labels->is_object()) continue;
    auto& pods = out.emplace_back();
    pods.ns = Written(document).ns;
    for (const auto& [name, value] : labels->get_object()) {
      if (value.is_string()) pods.labels[name] = value.get_string();
    }
  }
  return out;
}

json::value gateway_class(std::string_view name) {
  return {{"apiVersion", "gateway.networking.k8s.io/v1"},
          {"kind", "GatewayClass"},
          {"metadata", {{"name", name}}},
          {"spec", {{"controllerName", gateway::kController}}}};
}

/// Classes that are written become ours, and those that are only named are assumed.
void own_classes(std::vector<kube::YamlDocument>& manifests, trace::Machinery& machinery) {
  std::set<std::string> written, named;
  for (auto& document : manifests) {
    auto kind = kube::string_at(document.value, "kind");
    if (kind == "Gateway") named.emplace(kube::string_at(document.value, "spec.gatewayClassName"));
    if (kind != "GatewayClass") continue;
    written.emplace(kube::string_at(document.value, "metadata.name"));
    kube::object_at(document.value.get_object(), "spec")["controllerName"] = gateway::kController;
  }
  for (const auto& document : machinery.assumed) {
    if (kube::string_at(document.value, "kind") == "GatewayClass")
      written.emplace(kube::string_at(document.value, "metadata.name"));
  }
  for (const auto& name : named) {
    if (!written.contains(name))
      machinery.assumed.push_back({.value = gateway_class(name), .file = {}, .line = 0, .lines = {}});
  }
}

/// By "kind/namespace/name"; those of kinds without a namespace by "kind/name".
std::map<std::string, const kube::YamlDocument*> by_name(const std::vector<kube::YamlDocument>& manifests) {
  std::map<std::string, const kube::YamlDocument*> out;
  for (const auto& document : manifests) {
    Written object(document);
    out[object.kind + "/" + object.key] = &document;
    // Which of the two is meant is for the kind to say.
    if (kube::string_at(document.value, "metadata.namespace").empty())
      out[fmt::format("{}/{}", object.kind, kube::string_at(document.value, "metadata.name"))] = &document;
  }
  return out;
}

}  // namespace

Expected<std::vector<Finding>> check(const std::vector<kube::YamlDocument>& manifests,
                                     const MakeMachinery& make, std::chrono::system_clock::time_point now) {
  std::vector<Finding> findings;
  auto good = taken(manifests, make, findings);
  auto machinery = make(good);
  own_classes(good, machinery);
  WEFT_TRY(auto world, trace::build_world(good, machinery));
  const PodIndex pods(*world);
  const auto documents = by_name(good);
  const auto foreign = foreign_pods(manifests);
  Context context{.world = *world,
                  .manifests = good,
                  .pods = pods,
                  .documents = documents,
                  .foreign = foreign,
                  .now = now,
                  .findings = findings};
  check_services(context);
  check_families(context);
  check_locality(context);
  check_pods(context);
  check_clients(context);
  check_policies(context);
  check_gateways(context);
  check_shadows(context);
  check_certificates(context);
  std::ranges::stable_sort(findings, {}, [](const Finding& finding) {
    return std::tie(finding.where.file, finding.where.line, finding.code);
  });
  return findings;
}

}  // namespace weft::check
