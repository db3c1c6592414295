#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "kube/apps.h"
#include "kube/codec.h"
#include "kube/selector.h"
#include "standalone/apimachinery/kind_rules.h"

namespace weft::standalone {
namespace {

void fill_in_template(json::object& spec) {
  auto& pod_template = object_in(spec, "template");
  object_in(pod_template, "metadata");
  fill_in_pod_spec(object_in(pod_template, "spec"));
}

void fill_in_deployment(json::object& object) {
  auto& spec = object_in(object, "spec");
  fill_in_template(spec);
  auto& strategy = object_in(spec, "strategy");
  if (text_in(strategy, "type").empty()) strategy["type"] = "RollingUpdate";
  if (text_in(strategy, "type") != "RollingUpdate") return;
  auto& rolling = object_in(strategy, "rollingUpdate");
  set_default(rolling, "maxUnavailable", "25%");
  set_default(rolling, "maxSurge", "25%");
}

void fill_in_replica_set(json::object& object) { fill_in_template(object_in(object, "spec")); }

void fill_in_claims(json::object& spec) {
  auto* claims = array_of(&spec, "volumeClaimTemplates");
  if (!claims) return;
  for (auto& element : *claims) {
    auto* claim = element.if_object();
    if (!claim) continue;
    (*claim)["apiVersion"] = "v1";
    (*claim)["kind"] = "PersistentVolumeClaim";
    set_default(object_in(*claim, "spec"), "volumeMode", "Filesystem");
    set_default(object_in(*claim, "status"), "phase", "Pending");
  }
}

void fill_in_stateful_set(json::object& object) {
  auto& spec = object_in(object, "spec");
  fill_in_template(spec);
  fill_in_claims(spec);
  set_default(spec, "serviceName", "");
  auto& strategy = object_in(spec, "updateStrategy");
  if (text_in(strategy, "type").empty()) strategy["type"] = "RollingUpdate";
  if (text_in(strategy, "type") == "RollingUpdate") {
    set_default(object_in(strategy, "rollingUpdate"), "partition", 0);
  }
  auto& retention = object_in(spec, "persistentVolumeClaimRetentionPolicy");
  set_default(retention, "whenDeleted", "Retain");
  set_default(retention, "whenScaled", "Retain");
}

void fill_in_daemon_set(json::object& object) {
  auto& spec = object_in(object, "spec");
  fill_in_template(spec);
  auto& strategy = object_in(spec, "updateStrategy");
  if (text_in(strategy, "type").empty()) strategy["type"] = "RollingUpdate";
  if (text_in(strategy, "type") != "RollingUpdate") return;
  auto& rolling = object_in(strategy, "rollingUpdate");
  set_default(rolling, "maxUnavailable", 1);
  set_default(rolling, "maxSurge", 0);
}

void fill_in_job(json::object& object) {
  auto& spec = object_in(object, "spec");
  fill_in_template(spec);
  if (!is_set(spec, "completions") && !is_set(spec, "parallelism")) {
    spec["completions"] = 1;
    spec["parallelism"] = 1;
  }
  set_default(spec, "parallelism", 1);
  set_default(spec, "backoffLimit", 6);
  set_default(spec, "completionMode", "NonIndexed");
  set_default(spec, "suspend", false);
  set_default(spec, "podReplacementPolicy", "TerminatingOrFailed");
}

// ---- validation

json::value selector_json(const std::optional<kube::LabelSelector>& selector) {
  return selector ? json::value(kube::encode(*selector)) : json::value();
}

/// The selector, the template, and that one selects the other. `word` names the kind in upstream's complaint.
void check_template(FieldErrors& errors, const std::optional<kube::LabelSelector>& selector,
                    const kube::PodTemplateSpec& pod_template, const json::value& object,
                    std::string_view word) {
  if (!selector) {
    errors.push_back(required("spec.selector"));
  } else {
    check_label_selector(errors, "spec.selector", *selector);
    if (selector->matchLabels.empty() && selector->matchExpressions.empty()) {
      errors.push_back(invalid("spec.selector", selector_json(selector),
                               fmt::format("empty selector is invalid for {}", word)));
    }
    auto parsed = kube::Selector::from(*selector);
    if (!parsed) {
      errors.push_back(invalid("spec.selector", selector_json(selector), "invalid label selector"));
    } else if (!parsed->empty() && !parsed->matches(pod_template.metadata.labels)) {
      errors.push_back(invalid("spec.template.metadata.labels", to_json(pod_template.metadata.labels),
                               "`selector` does not match template `labels`"));
    }
  }
  if (const auto* raw = kube::at_path(object, "spec.template"))
    check_pod_template(errors, *raw, "spec.template");
  const auto& policy = pod_template.spec.restartPolicy;
  if (!policy.empty() && policy != "Always") {
    errors.push_back(not_supported("spec.template.spec.restartPolicy", policy, {"Always"}));
  }
  if (pod_template.spec.activeDeadlineSeconds) {
    errors.push_back(forbidden("spec.template.spec.activeDeadlineSeconds",
                               "activeDeadlineSeconds in ReplicaSet is not Supported"));
  }
}

template <class T>
void check_counts(FieldErrors& errors, const T& spec) {
  if constexpr (requires { spec.replicas; }) {
    check_not_negative(errors, "spec.replicas", spec.replicas.value_or(1));
  }
  check_not_negative(errors, "spec.minReadySeconds", spec.minReadySeconds);
  if constexpr (requires { spec.revisionHistoryLimit; }) {
    check_not_negative(errors, "spec.revisionHistoryLimit", spec.revisionHistoryLimit.value_or(0));
  }
}

bool is_zero(const std::optional<kube::IntOrString>& value) {
  return !value || (value->is_int() ? value->number() == 0 : value->str() == "0%");
}

/// At most all of them.
void check_share(FieldErrors& errors, const std::string& at, const std::optional<kube::IntOrString>& value) {
  if (!value) return;
  check_int_or_percent(errors, at, *value);
  if (value->is_int()) return;
  auto text = value->str();
  if (text.ends_with('%') && quantity_value(std::string_view(text).substr(0, text.size() - 1)) > 100) {
    errors.push_back(invalid(at, text, "must not be greater than 100%"));
  }
}

void validate_deployment(FieldErrors& errors, const json::value& object) {
  auto deployment = kube::decode<kube::Deployment>(object);
  if (!deployment) return errors.push_back(invalid("", nullptr, deployment.error().message));
  const auto& spec = deployment->spec;
  check_counts(errors, spec);
  check_template(errors, spec.selector, spec.template_, object, "deployment");
  const auto& strategy = spec.strategy;
  const std::string at = "spec.strategy";
  check_one_of(errors, child(at, "type"), strategy.type, {"Recreate", "RollingUpdate"});
  if (strategy.type == "Recreate" && strategy.rollingUpdate) {
    errors.push_back(
        forbidden(child(at, "rollingUpdate"), "may not be specified when strategy `type` is 'Recreate'"));
  }
  if (strategy.type == "RollingUpdate") {
    if (!strategy.rollingUpdate) {
      errors.push_back(required(child(at, "rollingUpdate"), "this should be defaulted and never be nil"));
    } else {
      const auto& rolling = *strategy.rollingUpdate;
      check_share(errors, child(at, "rollingUpdate.maxUnavailable"), rolling.maxUnavailable);
      if (rolling.maxSurge)
        check_int_or_percent(errors, child(at, "rollingUpdate.maxSurge"), *rolling.maxSurge);
      if (is_zero(rolling.maxUnavailable) && is_zero(rolling.maxSurge)) {
        errors.push_back(invalid(child(at, "rollingUpdate.maxUnavailable"),
                                 to_json(rolling.maxUnavailable.value_or(kube::IntOrString{})),
                                 "may not be 0 when `maxSurge` is 0"));
      }
    }
  }
  if (spec.progressDeadlineSeconds) {
    check_not_negative(errors, "spec.progressDeadlineSeconds", *spec.progressDeadlineSeconds);
    if (*spec.progressDeadlineSeconds <= spec.minReadySeconds) {
      errors.push_back(invalid("spec.progressDeadlineSeconds", *spec.progressDeadlineSeconds,
                               "must be greater than minReadySeconds"));
    }
  }
}

void validate_replica_set(FieldErrors& errors, const json::value& object) {
  auto set = kube::decode<kube::ReplicaSet>(object);
  if (!set) return errors.push_back(invalid("", nullptr, set.error().message));
  check_counts(errors, set->spec);
  check_template(errors, set->spec.selector, set->spec.template_, object, "deployment");
}

/// Containers may mount the claims that each pod gets, too.
void drop_claims(FieldErrors& errors, const kube::StatefulSetSpec& spec) {
  std::set<std::string> claims;
  for (const auto& claim : spec.volumeClaimTemplates)
    claims.insert("Not found: \"" + std::string(kube::string_at(claim, "metadata.name")) + "\"");
  std::erase_if(errors, [&](const FieldError& error) {
    return error.field.find("].volumeMounts[") != std::string::npos && claims.contains(error.message);
  });
}

void validate_stateful_set(FieldErrors& errors, const json::value& object) {
  auto set = kube::decode<kube::StatefulSet>(object);
  if (!set) return errors.push_back(invalid("", nullptr, set.error().message));
  const auto& spec = set->spec;
  check_counts(errors, spec);
  check_template(errors, spec.selector, spec.template_, object, "statefulset");
  drop_claims(errors, spec);
  check_one_of(errors, "spec.podManagementPolicy", spec.podManagementPolicy, {"OrderedReady", "Parallel"});
  check_one_of(errors, "spec.updateStrategy.type", spec.updateStrategy.type, {"OnDelete", "RollingUpdate"});
  const auto& rolling = spec.updateStrategy.rollingUpdate;
  if (rolling) {
    check_not_negative(errors, "spec.updateStrategy.rollingUpdate.partition", rolling->partition.value_or(0));
    if (spec.updateStrategy.type == "OnDelete") {
      errors.push_back(invalid("spec.updateStrategy.rollingUpdate", json::object{},
                               "only allowed for updateStrategy 'RollingUpdate'"));
    }
  }
  if (spec.ordinals) check_not_negative(errors, "spec.ordinals.start", spec.ordinals->start);
  if (!spec.serviceName.empty()) check_name(errors, "spec.serviceName", spec.serviceName, dns_subdomain);
}

void validate_daemon_set(FieldErrors& errors, const json::value& object) {
  auto set = kube::decode<kube::DaemonSet>(object);
  if (!set) return errors.push_back(invalid("", nullptr, set.error().message));
  const auto& spec = set->spec;
  check_counts(errors, spec);
  check_template(errors, spec.selector, spec.template_, object, "daemonset");
  const std::string at = "spec.updateStrategy";
  check_one_of(errors, child(at, "type"), spec.updateStrategy.type, {"OnDelete", "RollingUpdate"});
  if (spec.updateStrategy.type != "RollingUpdate") return;
  const auto& rolling = spec.updateStrategy.rollingUpdate;
  if (!rolling) return errors.push_back(required(child(at, "rollingUpdate")));
  check_share(errors, child(at, "rollingUpdate.maxUnavailable"), rolling->maxUnavailable);
  check_share(errors, child(at, "rollingUpdate.maxSurge"), rolling->maxSurge);
  bool surge = !is_zero(rolling->maxSurge);
  bool unavailable = !is_zero(rolling->maxUnavailable);
  auto max_at = child(at, "rollingUpdate.maxUnavailable");
  if (surge && unavailable) {
    errors.push_back(invalid(child(at, "rollingUpdate.maxSurge"), to_json(*rolling->maxSurge),
                             "may not be set when maxUnavailable is non-zero"));
  } else if (!surge && !unavailable) {
    errors.push_back(required(max_at, "cannot be 0 when maxSurge is 0"));
  }
}

void validate_job(FieldErrors& errors, const json::value& object) {
  auto job = kube::decode<kube::Job>(object);
  if (!job) return errors.push_back(invalid("", nullptr, job.error().message));
  const auto& spec = job->spec;
  check_not_negative(errors, "spec.parallelism", spec.parallelism.value_or(1));
  check_not_negative(errors, "spec.completions", spec.completions.value_or(1));
  check_not_negative(errors, "spec.backoffLimit", spec.backoffLimit.value_or(6));
  if (const auto* raw = kube::at_path(object, "spec.template"))
    check_pod_template(errors, *raw, "spec.template");
  const auto& policy = spec.template_.spec.restartPolicy;
  if (policy == "Always") {
    errors.push_back(required("spec.template.spec.restartPolicy", "valid values: \"OnFailure\", \"Never\""));
  }
}

/// spec.selector says which pods are whose; it stays.
void validate_selector_update(FieldErrors& errors, const json::value& object, const json::value& old) {
  const auto* now = kube::at_path(object, "spec.selector");
  const auto* before = kube::at_path(old, "spec.selector");
  if (now && before && *now != *before) errors.push_back(invalid("spec.selector", *now, kImmutable));
}

void validate_stateful_set_update(FieldErrors& errors, const json::value& object, const json::value& old) {
  const auto* now = kube::member(object, "spec");
  const auto* before = kube::member(old, "spec");
  if (!now || !before || !now->is_object() || !before->is_object()) return;
  json::object rest = now->get_object();
  json::object old_rest = before->get_object();
  for (const auto* key : {"replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
                          "persistentVolumeClaimRetentionPolicy", "minReadySeconds"}) {
    rest.erase(key);
    old_rest.erase(key);
  }
  if (rest != old_rest) {
    errors.push_back(forbidden("spec",
                               "updates to statefulset spec for fields other than 'replicas', 'ordinals', "
                               "'template', 'updateStrategy', "
                               "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and "
                               "'minReadySeconds' are forbidden"));
  }
}

void validate_revision_update(FieldErrors& errors, const json::value& object, const json::value& old) {
  const auto* now = kube::member(object, "data");
  const auto* before = kube::member(old, "data");
  if (now && before && *now != *before) errors.push_back(invalid("data", nullptr, kImmutable));
}

}  // namespace

std::vector<KindRules> apps_rules() {
  return {{.group = "apps",
           .kind = "Deployment",
           .generation = true,
           .fill_in = fill_in_deployment,
           .validate = validate_deployment,
           .validate_update = validate_selector_update},
          {.group = "apps",
           .kind = "ReplicaSet",
           .generation = true,
           .fill_in = fill_in_replica_set,
           .validate = validate_replica_set,
           .validate_update = validate_selector_update},
          {.group = "apps",
           .kind = "StatefulSet",
           .name_rule = dns_label,
           .generation = true,
           .fill_in = fill_in_stateful_set,
           .validate = validate_stateful_set,
           .validate_update = validate_stateful_set_update},
          {.group = "apps",
           .kind = "DaemonSet",
           .generation = true,
           .fill_in = fill_in_daemon_set,
           .validate = validate_daemon_set,
           .validate_update = validate_selector_update},
          {.group = "apps", .kind = "ControllerRevision", .validate_update = validate_revision_update},
          {.group = "batch",
           .kind = "Job",
           .generation = true,
           .fill_in = fill_in_job,
           .validate = validate_job}};
}

}  // namespace weft::standalone
