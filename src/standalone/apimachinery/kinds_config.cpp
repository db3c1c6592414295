#include <fmt/format.h>

#include <algorithm>

#include "base/ip.h"
#include "kube/base64.h"
#include "kube/codec.h"
#include "kube/config.h"
#include "kube/labels.h"
#include "kube/node.h"
#include "standalone/apimachinery/kind_rules.h"

namespace weft::standalone {
namespace {

constexpr size_t kMaxData = 1 << 20;

bool is_true(const json::value& object, std::string_view key) {
  const auto* value = kube::member(object, key);
  return value && value->is_bool() && value->get_bool();
}

/// What `immutable: true` forbids, for ConfigMaps and Secrets.
void check_immutable(FieldErrors& errors, const json::value& object, const json::value& old,
                     std::initializer_list<std::string_view> keys) {
  if (!is_true(old, "immutable")) return;
  constexpr std::string_view kWhy = "field is immutable when `immutable` is set";
  if (!is_true(object, "immutable")) errors.push_back(forbidden("immutable", kWhy));
  for (auto key : keys) {
    const auto* now = kube::member(object, key);
    const auto* before = kube::member(old, key);
    bool same = now && before ? *now == *before : !now && !before;
    if (!same) errors.push_back(forbidden(std::string(key), kWhy));
  }
}

// ---- ConfigMap

void validate_config_map(FieldErrors& errors, const json::value& object) {
  auto map = kube::decode<kube::ConfigMap>(object);
  if (!map) return errors.push_back(invalid("", nullptr, map.error().message));
  size_t size = 0;
  for (const auto& [key, value] : map->data) {
    check_name(errors, keyed("data", key), key, config_key);
    if (map->binaryData.contains(key)) {
      errors.push_back(invalid(keyed("data", key), key, "duplicate of key present in binaryData"));
    }
    size += value.size();
  }
  for (const auto& [key, value] : map->binaryData) {
    check_name(errors, keyed("binaryData", key), key, config_key);
    size += value.size() / 4 * 3;
  }
  if (size > kMaxData) errors.push_back(too_long("", kMaxData));
}

void validate_config_map_update(FieldErrors& errors, const json::value& object, const json::value& old) {
  check_immutable(errors, object, old, {"data", "binaryData"});
}

// ---- Secret

/// stringData is for writing only: it ends up in data.
void merge_string_data(json::object& object) {
  if (text_in(object, "type").empty()) object["type"] = "Opaque";
  if (auto* plain = object_of(&object, "stringData")) {
    json::object taken = std::move(*plain);
    auto& data = object_in(object, "data");
    for (const auto& [key, value] : taken) {
      if (const auto* text = value.if_string()) data[key] = kube::encode_base64(*text);
    }
  }
  object.erase("stringData");
}

void validate_secret(FieldErrors& errors, const json::value& object) {
  auto secret = kube::decode<kube::Secret>(object);
  if (!secret) return errors.push_back(invalid("", nullptr, secret.error().message));
  size_t size = 0;
  for (const auto& [key, value] : secret->data) {
    check_name(errors, keyed("data", key), key, config_key);
    size += value.size() / 4 * 3;
  }
  if (size > kMaxData) errors.push_back(too_long("data", kMaxData));
  auto needs = [&](const char* key) {
    if (!secret->data.contains(key)) errors.push_back(required(keyed("data", key)));
  };
  if (secret->type == "kubernetes.io/tls") {
    needs("tls.crt");
    needs("tls.key");
  } else if (secret->type == "kubernetes.io/dockerconfigjson") {
    needs(".dockerconfigjson");
  } else if (secret->type == "kubernetes.io/dockercfg") {
    needs(".dockercfg");
  } else if (secret->type == "kubernetes.io/ssh-auth") {
    needs("ssh-privatekey");
  } else if (secret->type == "kubernetes.io/basic-auth") {
    if (!secret->data.contains("username") && !secret->data.contains("password")) {
      needs("username");
      needs("password");
    }
  } else if (secret->type == "kubernetes.io/service-account-token") {
    constexpr const char* kAccount = "kubernetes.io/service-account.name";
    if (!secret->metadata.annotations.contains(kAccount)) {
      errors.push_back(required(keyed("metadata.annotations", kAccount)));
    }
  }
}

void validate_secret_update(FieldErrors& errors, const json::value& object, const json::value& old) {
  auto type = kube::string_at(object, "type");
  if (type != kube::string_at(old, "type")) errors.push_back(invalid("type", type, kImmutable));
  check_immutable(errors, object, old, {"data"});
}

// ---- Namespace

void fill_in_namespace(json::object& object) {
  auto& metadata = object_in(object, "metadata");
  std::string name(text_in(metadata, "name"));
  if (!name.empty()) object_in(metadata, "labels")["kubernetes.io/metadata.name"] = name;
}

void prepare_namespace_create(json::object& object) {
  fill_in_namespace(object);
  auto& spec = object_in(object, "spec");
  if (!array_of(&spec, "finalizers")) spec["finalizers"] = json::array();
  auto& finalizers = spec["finalizers"].get_array();
  if (std::ranges::find(finalizers, json::value("kubernetes")) == finalizers.end()) {
    finalizers.emplace_back("kubernetes");
  }
  object["status"] = json::object{{"phase", "Active"}};
}

void prepare_namespace_update(json::object& object, const json::value& old) {
  if (const auto* finalizers = kube::at_path(old, "spec.finalizers")) {
    object_in(object, "spec")["finalizers"] = *finalizers;
  }
}

// ---- Node

void validate_node(FieldErrors& errors, const json::value& object) {
  auto node = kube::decode<kube::Node>(object);
  if (!node) return errors.push_back(invalid("", nullptr, node.error().message));
  const auto& spec = node->spec;
  for (size_t i = 0; i < spec.taints.size(); ++i) {
    const auto& taint = spec.taints[i];
    // Upstream reports taints below metadata.
    auto at = item("metadata.taints", i);
    check_name(errors, child(at, "key"), taint.key, qualified_name);
    check_name(errors, child(at, "value"), taint.value, kube::label_value_problems);
    check_one_of(errors, child(at, "effect"), taint.effect, {"NoSchedule", "PreferNoSchedule", "NoExecute"});
    for (size_t j = 0; j < i; ++j) {
      if (spec.taints[j].key != taint.key || spec.taints[j].effect != taint.effect) continue;
      errors.push_back(duplicate(at, json::value(kube::encode(taint))));
      break;
    }
  }
  for (size_t i = 0; i < spec.podCIDRs.size(); ++i)
    check_cidr(errors, item("spec.podCIDRs", i), spec.podCIDRs[i]);
  if (spec.podCIDRs.size() < 2) return;
  auto first = IpPrefix::parse(spec.podCIDRs[0]);
  auto second = IpPrefix::parse(spec.podCIDRs[1]);
  bool one_a_family = first && second && first->addr.is_v4() != second->addr.is_v4();
  if (spec.podCIDRs.size() > 2 || !one_a_family) {
    errors.push_back(invalid("spec.podCIDRs", to_json(spec.podCIDRs),
                             "may specify no more than one CIDR for each IP family"));
  }
}

void validate_node_update(FieldErrors& errors, const json::value& object, const json::value& old) {
  auto node = kube::decode<kube::Node>(object);
  auto before = kube::decode<kube::Node>(old);
  if (!node || !before) return;
  constexpr std::string_view kTwice = "node updates may not change podCIDR except from \"\" to valid";
  if (!before->spec.podCIDRs.empty() && node->spec.podCIDRs != before->spec.podCIDRs) {
    errors.push_back(forbidden("spec.podCIDRs", kTwice));
  }
  if (!before->spec.providerID.empty() && node->spec.providerID != before->spec.providerID) {
    errors.push_back(
        forbidden("spec.providerID", "node updates may not change providerID except from \"\" to valid"));
  }
}

// ---- Lease, Event, ServiceAccount

void validate_lease(FieldErrors& errors, const json::value& object) {
  auto lease = kube::decode<kube::Lease>(object);
  if (!lease) return errors.push_back(invalid("", nullptr, lease.error().message));
  const auto& spec = lease->spec;
  if (spec.leaseDurationSeconds && *spec.leaseDurationSeconds <= 0) {
    errors.push_back(
        invalid("spec.leaseDurationSeconds", *spec.leaseDurationSeconds, "must be greater than 0"));
  }
  if (spec.leaseTransitions && *spec.leaseTransitions < 0) {
    errors.push_back(
        invalid("spec.leaseTransitions", *spec.leaseTransitions, "must be greater than or equal to 0"));
  }
}

void validate_event(FieldErrors& errors, const json::value& object) {
  auto event = kube::decode<kube::Event>(object);
  if (!event) return errors.push_back(invalid("", nullptr, event.error().message));
  const auto& about = event->involvedObject.namespace_;
  const auto& ns = event->metadata.namespace_;
  bool of_cluster = about.empty() && (ns == "default" || ns == "kube-system");
  if (about != ns && !of_cluster) {
    errors.push_back(invalid("involvedObject.namespace", about, "does not match event.namespace"));
  }
}

}  // namespace

std::vector<KindRules> config_rules() {
  return {{.group = "",
           .kind = "ConfigMap",
           .validate = validate_config_map,
           .validate_update = validate_config_map_update},
          {.group = "",
           .kind = "Secret",
           .fill_in = merge_string_data,
           .validate = validate_secret,
           .validate_update = validate_secret_update},
          {.group = "",
           .kind = "Namespace",
           .name_rule = dns_label,
           .fill_in = fill_in_namespace,
           .prepare_create = prepare_namespace_create,
           .prepare_update = prepare_namespace_update},
          {.group = "",
           .kind = "Node",
           .status_at_create = true,
           .validate = validate_node,
           .validate_update = validate_node_update},
          {.group = "coordination.k8s.io", .kind = "Lease", .validate = validate_lease},
          {.group = "", .kind = "Event", .validate = validate_event},
          {.group = "", .kind = "ServiceAccount"}};
}

}  // namespace weft::standalone
