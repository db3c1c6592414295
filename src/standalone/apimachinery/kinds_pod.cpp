#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/ip.h"
#include "kube/codec.h"
#include "kube/pod.h"
#include "standalone/apimachinery/container_rules.h"
#include "standalone/apimachinery/kind_rules.h"

namespace weft::standalone {

using kube::PodSpec;

// ---- defaults

namespace {

/// The tag of "repository:tag", "latest" when there is none; "" for an image by digest.
std::string_view tag_of(std::string_view image) {
  if (image.find('@') != std::string_view::npos) return {};
  auto colon = image.rfind(':');
  auto slash = image.rfind('/');
  bool has_tag = colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash);
  return has_tag ? image.substr(colon + 1) : "latest";
}

void fill_in_container(json::object& container, bool host_network) {
  if (text_in(container, "imagePullPolicy").empty()) {
    container["imagePullPolicy"] =
        tag_of(text_in(container, "image")) == "latest" ? "Always" : "IfNotPresent";
  }
  auto& resources = object_in(container, "resources");
  if (const auto* limits = object_of(&resources, "limits")) {
    json::object copy = *limits;
    auto& requests = object_in(resources, "requests");
    for (const auto& [name, quantity] : copy) set_default(requests, name, quantity);
  }
  auto* ports = array_of(&container, "ports");
  if (!ports || !host_network) return;
  for (auto& element : *ports) {
    auto* port = element.if_object();
    if (!port || is_set(*port, "hostPort") || !port->contains("containerPort")) continue;
    json::value number = port->at("containerPort");
    (*port)["hostPort"] = std::move(number);
  }
}

void fill_in_volume(json::object& volume) {
  bool has_source = std::ranges::any_of(
      volume, [](const auto& pair) { return pair.key() != "name" && !pair.value().is_null(); });
  if (!has_source) volume["emptyDir"] = json::object();
}

}  // namespace

void fill_in_pod_spec(json::object& spec) {
  const auto* host = spec.if_contains("hostNetwork");
  bool host_network = host && host->is_bool() && host->get_bool();
  for (const auto* key : {"initContainers", "containers", "ephemeralContainers"}) {
    auto* containers = array_of(&spec, key);
    if (!containers) continue;
    for (auto& container : *containers) {
      if (auto* object = container.if_object()) fill_in_container(*object, host_network);
    }
  }
  if (auto* volumes = array_of(&spec, "volumes")) {
    for (auto& volume : *volumes) {
      if (auto* object = volume.if_object()) fill_in_volume(*object);
    }
  }
  // One field under two names.
  std::string account(text_in(spec, "serviceAccountName"));
  if (account.empty()) account = text_in(spec, "serviceAccount");
  if (account.empty()) return;
  spec["serviceAccountName"] = account;
  spec["serviceAccount"] = account;
}

namespace {

void fill_in_pod(json::object& object) {
  auto& spec = object_in(object, "spec");
  fill_in_pod_spec(spec);
  set_default(spec, "enableServiceLinks", true);
}

/// Guaranteed: each container has equal requests and limits of cpu and memory; BestEffort: none has any.
std::string_view qos_class(const PodSpec& spec) {
  bool any = false;
  bool guaranteed = true;
  auto look = [&](const std::vector<kube::Container>& containers) {
    for (const auto& container : containers) {
      for (const char* name : {"cpu", "memory"}) {
        auto request = container.resources.requests.find(name);
        auto limit = container.resources.limits.find(name);
        bool has_request = request != container.resources.requests.end();
        bool has_limit = limit != container.resources.limits.end();
        any |= has_request || has_limit;
        guaranteed &=
            has_limit && has_request && quantity_value(request->second) == quantity_value(limit->second);
      }
    }
  };
  look(spec.initContainers);
  look(spec.containers);
  if (!any) return "BestEffort";
  return guaranteed ? "Guaranteed" : "Burstable";
}

/// A pod that does not say how long it stays on a node that is away stays five minutes (upstream's admission
/// plugin DefaultTolerationSeconds).
void add_default_tolerations(json::object& spec) {
  auto& tolerations = spec["tolerations"];
  if (!tolerations.is_array()) tolerations = json::array();
  for (const char* key : {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}) {
    bool told = std::ranges::any_of(tolerations.get_array(), [&](const json::value& toleration) {
      const auto* object = toleration.if_object();
      if (!object) return false;
      auto about = text_in(*object, "key"), effect = text_in(*object, "effect");
      return (about.empty() || about == key) && (effect.empty() || effect == "NoExecute");
    });
    if (told) continue;
    tolerations.get_array().push_back(json::object{
        {"key", key}, {"operator", "Exists"}, {"effect", "NoExecute"}, {"tolerationSeconds", 300}});
  }
}

/// What admission adds to a pod in a cluster without plugins of its own.
void prepare_pod_create(json::object& object) {
  auto& spec = object_in(object, "spec");
  set_default(spec, "serviceAccountName", "default");
  set_default(spec, "serviceAccount", "default");
  set_default(spec, "priority", 0);
  set_default(spec, "preemptionPolicy", "PreemptLowerPriority");
  add_default_tolerations(spec);
  auto decoded = kube::decode<PodSpec>(spec);
  object["status"] =
      json::object{{"phase", "Pending"}, {"qosClass", decoded ? qos_class(*decoded) : "BestEffort"}};
}

// ---- validation

void check_dns(FieldErrors& errors, const std::string& path, const PodSpec& spec) {
  check_one_of(errors, child(path, "dnsPolicy"), spec.dnsPolicy,
               {"ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"});
  auto at = child(path, "dnsConfig");
  bool none = spec.dnsPolicy == "None";
  if (!spec.dnsConfig) {
    if (none) {
      errors.push_back(required(at, "must provide `dnsConfig` when `dnsPolicy` is None"));
    }
    return;
  }
  const auto& config = *spec.dnsConfig;
  auto servers = child(at, "nameservers");
  if (none && config.nameservers.empty()) {
    errors.push_back(required(servers, "must provide at least one DNS nameserver when `dnsPolicy` is None"));
  }
  if (config.nameservers.size() > 3) {
    errors.push_back(invalid(servers, to_json(config.nameservers), "must not have more than 3 nameservers"));
  }
  for (size_t i = 0; i < config.nameservers.size(); ++i)
    check_ip(errors, item(servers, i), config.nameservers[i]);
  auto searches = child(at, "searches");
  if (config.searches.size() > 32) {
    errors.push_back(invalid(searches, to_json(config.searches), "must not have more than 32 search paths"));
  }
  for (size_t i = 0; i < config.searches.size(); ++i) {
    std::string_view search = config.searches[i];
    if (search == ".") continue;
    if (search.ends_with('.')) search.remove_suffix(1);
    // Names of SRV records may be searched: underscores pass.
    std::string plain(search);
    std::ranges::replace(plain, '_', 'a');
    check_name(errors, item(searches, i), plain, dns_subdomain);
  }
  for (size_t i = 0; i < config.options.size(); ++i) {
    if (config.options[i].name.empty()) {
      errors.push_back(required(item(child(at, "options"), i), "must not be empty"));
    }
  }
}

void check_tolerations(FieldErrors& errors, const std::string& path,
                       const std::vector<kube::Toleration>& tolerations) {
  for (size_t i = 0; i < tolerations.size(); ++i) {
    const auto& toleration = tolerations[i];
    auto at = item(path, i);
    auto op = toleration.operator_.empty() ? "Equal" : toleration.operator_;
    if (!toleration.key.empty()) check_name(errors, child(at, "key"), toleration.key, qualified_name);
    if (toleration.key.empty() && op != "Exists") {
      errors.push_back(
          invalid(child(at, "operator"), toleration.operator_,
                  "operator must be Exists when `key` is empty, which means \"match all values and "
                  "all keys\""));
    }
    if (toleration.tolerationSeconds && toleration.effect != "NoExecute") {
      errors.push_back(invalid(child(at, "effect"), toleration.effect,
                               "effect must be 'NoExecute' when `tolerationSeconds` is set"));
    }
    if (op == "Exists" && !toleration.value.empty()) {
      errors.push_back(invalid(at, toleration.value, "value must be empty when `operator` is 'Exists'"));
    }
    if (op != "Exists" && op != "Equal") {
      errors.push_back(not_supported(child(at, "operator"), op, {"Equal", "Exists"}));
    }
    if (!toleration.effect.empty()) {
      check_one_of(errors, child(at, "effect"), toleration.effect,
                   {"NoSchedule", "PreferNoSchedule", "NoExecute"});
    }
  }
}

void check_names_of_pod(FieldErrors& errors, const std::string& path, const PodSpec& spec) {
  auto name = [&](const char* key, const std::string& value, NameRule rule) {
    if (!value.empty()) check_name(errors, child(path, key), value, rule);
  };
  name("serviceAccountName", spec.serviceAccountName, dns_subdomain);
  name("nodeName", spec.nodeName, dns_subdomain);
  name("hostname", spec.hostname, dns_label);
  name("subdomain", spec.subdomain, dns_label);
  name("schedulerName", spec.schedulerName, dns_subdomain);
  name("priorityClassName", spec.priorityClassName, dns_subdomain);
  if (spec.runtimeClassName) name("runtimeClassName", *spec.runtimeClassName, dns_subdomain);
  check_labels(errors, child(path, "nodeSelector"), spec.nodeSelector);
  for (size_t i = 0; i < spec.hostAliases.size(); ++i) {
    auto at = item(child(path, "hostAliases"), i);
    check_ip(errors, child(at, "ip"), spec.hostAliases[i].ip);
    for (size_t j = 0; j < spec.hostAliases[i].hostnames.size(); ++j) {
      check_name(errors, item(child(at, "hostnames"), j), spec.hostAliases[i].hostnames[j], dns_subdomain);
    }
  }
}

void check_pod_spec(FieldErrors& errors, const std::string& path, const PodSpec& spec) {
  std::set<std::string> volumes;
  check_volumes(errors, child(path, "volumes"), spec.volumes, volumes);
  check_containers(errors, path, spec, volumes);
  check_one_of(errors, child(path, "restartPolicy"), spec.restartPolicy, {"Always", "OnFailure", "Never"});
  check_dns(errors, path, spec);
  check_names_of_pod(errors, path, spec);
  check_tolerations(errors, child(path, "tolerations"), spec.tolerations);
  if (spec.terminationGracePeriodSeconds) {
    check_not_negative(errors, child(path, "terminationGracePeriodSeconds"),
                       *spec.terminationGracePeriodSeconds);
  }
  if (spec.activeDeadlineSeconds &&
      (*spec.activeDeadlineSeconds < 1 || *spec.activeDeadlineSeconds > INT32_MAX)) {
    errors.push_back(invalid(child(path, "activeDeadlineSeconds"), *spec.activeDeadlineSeconds,
                             "must be between 1 and 2147483647, inclusive"));
  }
  if (spec.preemptionPolicy) {
    check_one_of(errors, child(path, "preemptionPolicy"), *spec.preemptionPolicy,
                 {"Never", "PreemptLowerPriority"});
  }
  for (size_t i = 0; i < spec.readinessGates.size(); ++i) {
    check_name(errors, child(item(child(path, "readinessGates"), i), "conditionType"),
               spec.readinessGates[i].conditionType, qualified_name);
  }
}

void validate_pod(FieldErrors& errors, const json::value& object) {
  auto pod = kube::decode<kube::Pod>(object);
  if (!pod) return errors.push_back(invalid("", nullptr, pod.error().message));
  check_pod_spec(errors, "spec", pod->spec);
}

/// Everything that an update may change, made equal, so that the rest can be compared.
PodSpec without_mutable_parts(const PodSpec& spec, const PodSpec& old) {
  PodSpec out = spec;
  auto same_images = [](auto& containers, const auto& before) {
    for (size_t i = 0; i < std::min(containers.size(), before.size()); ++i) {
      containers[i].image = before[i].image;
    }
  };
  same_images(out.containers, old.containers);
  same_images(out.initContainers, old.initContainers);
  out.activeDeadlineSeconds = old.activeDeadlineSeconds;
  out.schedulingGates = old.schedulingGates;
  bool all_kept = std::ranges::all_of(old.tolerations, [&](const kube::Toleration& toleration) {
    return std::ranges::find(spec.tolerations, toleration) != spec.tolerations.end();
  });
  if (all_kept) out.tolerations = old.tolerations;
  if (!old.schedulingGates.empty()) out.nodeSelector = old.nodeSelector;
  if (old.terminationGracePeriodSeconds.value_or(0) < 0 && spec.terminationGracePeriodSeconds == 1) {
    out.terminationGracePeriodSeconds = old.terminationGracePeriodSeconds;
  }
  // A scheduler without the binding subresource writes the node into the pod.
  if (old.nodeName.empty()) out.nodeName.clear();
  return out;
}

void validate_pod_update(FieldErrors& errors, const json::value& object, const json::value& old) {
  auto pod = kube::decode<kube::Pod>(object);
  auto before = kube::decode<kube::Pod>(old);
  if (!pod || !before) return;
  const auto& spec = pod->spec;
  const auto& old_spec = before->spec;
  if (spec.containers.size() != old_spec.containers.size()) {
    return errors.push_back(forbidden("spec.containers", "pod updates may not add or remove containers"));
  }
  if (spec.initContainers.size() != old_spec.initContainers.size()) {
    return errors.push_back(forbidden("spec.initContainers", "pod updates may not add or remove containers"));
  }
  if (old_spec.activeDeadlineSeconds) {
    auto at = "spec.activeDeadlineSeconds";
    if (!spec.activeDeadlineSeconds) {
      errors.push_back(invalid(at, nullptr, "must not update from a positive integer to nil value"));
    } else if (*spec.activeDeadlineSeconds > *old_spec.activeDeadlineSeconds) {
      errors.push_back(
          invalid(at, *spec.activeDeadlineSeconds, "must be less than or equal to previous value"));
    }
  }
  if (without_mutable_parts(spec, old_spec) != old_spec) {
    errors.push_back(forbidden(
        "spec",
        "pod updates may not change fields other than "
        "`spec.containers[*].image`,`spec.initContainers[*].image`,"
        "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
        "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"));
  }
}

}  // namespace

void check_pod_template(FieldErrors& errors, const json::value& pod_template, const std::string& path) {
  auto decoded = kube::decode<kube::PodTemplateSpec>(pod_template);
  if (!decoded) return errors.push_back(invalid(path, nullptr, decoded.error().message));
  check_labels(errors, child(path, "labels"), decoded->metadata.labels);
  check_annotations(errors, child(path, "annotations"), decoded->metadata.annotations);
  check_pod_spec(errors, child(path, "spec"), decoded->spec);
  if (!decoded->spec.ephemeralContainers.empty()) {
    errors.push_back(forbidden(child(path, "spec.ephemeralContainers"),
                               "ephemeral containers not allowed in pod template"));
  }
}

std::vector<KindRules> pod_rules() {
  return {{.group = "",
           .kind = "Pod",
           .generation = true,
           .fill_in = fill_in_pod,
           .prepare_create = prepare_pod_create,
           .validate = validate_pod,
           .validate_update = validate_pod_update}};
}

}  // namespace weft::standalone
