#include "standalone/apimachinery/container_rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "kube/codec.h"
#include "kube/volume.h"
#include "standalone/apimachinery/validation.h"

namespace weft::standalone {
namespace {

using kube::Container;

// ---- ports

void check_container_ports(FieldErrors& errors, const std::string& path, const Container& container,
                           bool host_network) {
  std::set<std::string> names;
  for (size_t i = 0; i < container.ports.size(); ++i) {
    const auto& port = container.ports[i];
    auto at = item(path, i);
    if (!port.name.empty()) {
      auto problems = port_name(port.name);
      for (const auto& problem : problems) errors.push_back(invalid(child(at, "name"), port.name, problem));
      if (problems.empty() && !names.insert(port.name).second) {
        errors.push_back(duplicate(child(at, "name"), port.name));
      }
    }
    if (port.containerPort == 0) {
      errors.push_back(required(child(at, "containerPort")));
    } else {
      check_port_number(errors, child(at, "containerPort"), port.containerPort);
    }
    if (port.hostPort != 0) check_port_number(errors, child(at, "hostPort"), port.hostPort);
    if (host_network && port.hostPort != port.containerPort) {
      errors.push_back(invalid(child(at, "hostPort"), port.hostPort,
                               "must match `containerPort` when `hostNetwork` is true"));
    }
    if (!port.hostIP.empty()) check_ip(errors, child(at, "hostIP"), port.hostIP);
    check_one_of(errors, child(at, "protocol"), port.protocol, {"SCTP", "TCP", "UDP"});
  }
}

/// A port of the node can be had once in a pod.
void check_host_ports(FieldErrors& errors, const std::string& path,
                      const std::vector<Container>& containers) {
  std::set<std::string> taken;
  for (size_t i = 0; i < containers.size(); ++i) {
    for (size_t j = 0; j < containers[i].ports.size(); ++j) {
      const auto& port = containers[i].ports[j];
      if (port.hostPort == 0) continue;
      auto key = fmt::format("{}/{}/{}", port.protocol, port.hostIP, port.hostPort);
      if (!taken.insert(key).second) {
        errors.push_back(duplicate(child(item(child(item(path, i), "ports"), j), "hostPort"), key));
      }
    }
  }
}

// ---- environment

void check_env_source(FieldErrors& errors, const std::string& at, const kube::EnvVar& variable) {
  const auto& source = *variable.valueFrom;
  int given = source.fieldRef.has_value() + source.resourceFieldRef.has_value() +
              source.configMapKeyRef.has_value() + source.secretKeyRef.has_value() +
              source.fileKeyRef.has_value();
  if (given == 0) {
    errors.push_back(invalid(at, "",
                             "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or "
                             "`secretKeyRef`"));
  } else if (!variable.value.empty()) {
    errors.push_back(invalid(at, "", "may not be specified when `value` is not empty"));
  } else if (given > 1) {
    errors.push_back(invalid(at, "", "may not have more than one field specified at a time"));
  }
  if (source.fieldRef) {
    static const std::vector<std::string> paths = {
        "metadata.name",           "metadata.namespace", "metadata.uid",   "spec.nodeName", "status.podIP",
        "spec.serviceAccountName", "status.hostIP",      "status.hostIPs", "status.podIPs"};
    const auto& path = source.fieldRef->fieldPath;
    bool subscript = (path.starts_with("metadata.labels['") || path.starts_with("metadata.annotations['")) &&
                     path.ends_with("']");
    if (path.empty()) {
      errors.push_back(required(child(at, "fieldRef.fieldPath")));
    } else if (!subscript && std::ranges::find(paths, path) == paths.end()) {
      errors.push_back(
          invalid(child(at, "fieldRef.fieldPath"), path,
                  fmt::format("error converting fieldPath: field label not supported: {}", path)));
    }
  }
  if (source.resourceFieldRef && source.resourceFieldRef->resource.empty()) {
    errors.push_back(required(child(at, "resourceFieldRef.resource")));
  }
  auto check_key = [&](const char* name, const std::string& object, const std::string& key) {
    auto ref = child(at, name);
    if (object.empty()) errors.push_back(required(child(ref, "name")));
    if (key.empty()) {
      errors.push_back(required(child(ref, "key")));
    } else {
      check_name(errors, child(ref, "key"), key, config_key);
    }
  };
  if (source.configMapKeyRef) {
    check_key("configMapKeyRef", source.configMapKeyRef->name, source.configMapKeyRef->key);
  }
  if (source.secretKeyRef) check_key("secretKeyRef", source.secretKeyRef->name, source.secretKeyRef->key);
}

void check_env(FieldErrors& errors, const std::string& path, const Container& container) {
  auto printable = [](char c) { return c >= 0x20 && c <= 0x7e && c != '='; };
  for (size_t i = 0; i < container.env.size(); ++i) {
    const auto& variable = container.env[i];
    auto at = item(child(path, "env"), i);
    if (variable.name.empty()) {
      errors.push_back(required(child(at, "name")));
    } else if (!std::ranges::all_of(variable.name, printable)) {
      errors.push_back(
          invalid(child(at, "name"), variable.name,
                  "a valid environment variable name must consist only of printable ASCII characters "
                  "other than '='"));
    }
    if (variable.valueFrom) check_env_source(errors, child(at, "valueFrom"), variable);
  }
  for (size_t i = 0; i < container.envFrom.size(); ++i) {
    const auto& source = container.envFrom[i];
    auto at = item(child(path, "envFrom"), i);
    if (source.configMapRef && source.secretRef) {
      errors.push_back(invalid(at, "", "may not have more than one field specified at a time"));
    } else if (!source.configMapRef && !source.secretRef) {
      errors.push_back(invalid(at, "", "must specify one of: `configMapRef` or `secretRef`"));
    }
    if (source.configMapRef && source.configMapRef->name.empty()) {
      errors.push_back(required(child(at, "configMapRef.name")));
    }
    if (source.secretRef && source.secretRef->name.empty()) {
      errors.push_back(required(child(at, "secretRef.name")));
    }
  }
}

// ---- probes and hooks

/// The members that probes and hooks share.
template <class Handler>
void check_handler(FieldErrors& errors, const std::string& at, const Handler& handler, int others) {
  int given = handler.exec.has_value() + handler.httpGet.has_value() + handler.tcpSocket.has_value() + others;
  if (given == 0) errors.push_back(required(at, "must specify a handler type"));
  if (given > 1) errors.push_back(forbidden(at, "may not specify more than 1 handler type"));
  if (handler.exec && handler.exec->command.empty()) errors.push_back(required(child(at, "exec.command")));
  if (handler.tcpSocket) check_port(errors, child(at, "tcpSocket.port"), handler.tcpSocket->port);
  if (!handler.httpGet) return;
  const auto& get = *handler.httpGet;
  if (get.path.empty()) errors.push_back(required(child(at, "httpGet.path")));
  check_port(errors, child(at, "httpGet.port"), get.port);
  check_one_of(errors, child(at, "httpGet.scheme"), get.scheme, {"HTTP", "HTTPS"});
  for (const auto& header : get.httpHeaders) {
    auto token = [](unsigned char c) { return std::isalnum(c) || c == '-'; };
    if (header.name.empty() || !std::ranges::all_of(header.name, token)) {
      errors.push_back(invalid(child(at, "httpGet.httpHeaders"), header.name,
                               "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. "
                               "'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')"));
    }
  }
}

void check_probe(FieldErrors& errors, const std::string& at, const std::optional<kube::Probe>& probe,
                 bool is_readiness) {
  if (!probe) return;
  check_handler(errors, at, *probe, probe->grpc.has_value());
  if (probe->grpc) check_port_number(errors, child(at, "grpc.port"), probe->grpc->port);
  check_not_negative(errors, child(at, "initialDelaySeconds"), probe->initialDelaySeconds);
  check_not_negative(errors, child(at, "timeoutSeconds"), probe->timeoutSeconds);
  check_not_negative(errors, child(at, "periodSeconds"), probe->periodSeconds);
  check_not_negative(errors, child(at, "successThreshold"), probe->successThreshold);
  check_not_negative(errors, child(at, "failureThreshold"), probe->failureThreshold);
  if (!is_readiness && probe->successThreshold != 1) {
    errors.push_back(invalid(child(at, "successThreshold"), probe->successThreshold, "must be 1"));
  }
  if (!probe->terminationGracePeriodSeconds) return;
  if (is_readiness) {
    errors.push_back(invalid(child(at, "terminationGracePeriodSeconds"),
                             *probe->terminationGracePeriodSeconds, "must not be set for readinessProbes"));
  } else if (*probe->terminationGracePeriodSeconds <= 0) {
    errors.push_back(invalid(child(at, "terminationGracePeriodSeconds"),
                             *probe->terminationGracePeriodSeconds, "must be greater than 0"));
  }
}

void check_hook(FieldErrors& errors, const std::string& at,
                const std::optional<kube::LifecycleHandler>& hook) {
  if (hook) check_handler(errors, at, *hook, hook->sleep.has_value());
}

void check_probes(FieldErrors& errors, const std::string& at, const Container& container, bool runs_on) {
  if (runs_on) {
    check_probe(errors, child(at, "livenessProbe"), container.livenessProbe, false);
    check_probe(errors, child(at, "readinessProbe"), container.readinessProbe, true);
    check_probe(errors, child(at, "startupProbe"), container.startupProbe, false);
    if (container.lifecycle) {
      check_hook(errors, child(at, "lifecycle.postStart"), container.lifecycle->postStart);
      check_hook(errors, child(at, "lifecycle.preStop"), container.lifecycle->preStop);
    }
    return;
  }
  constexpr std::string_view kWhy = "may not be set for init containers without restartPolicy=Always";
  if (container.livenessProbe) errors.push_back(forbidden(child(at, "livenessProbe"), kWhy));
  if (container.readinessProbe) errors.push_back(forbidden(child(at, "readinessProbe"), kWhy));
  if (container.startupProbe) errors.push_back(forbidden(child(at, "startupProbe"), kWhy));
  if (container.lifecycle) errors.push_back(forbidden(child(at, "lifecycle"), kWhy));
}

// ---- the rest of a container

void check_mounts(FieldErrors& errors, const std::string& path, const Container& container,
                  const std::set<std::string>& volumes) {
  std::set<std::string> places;
  for (size_t i = 0; i < container.volumeMounts.size(); ++i) {
    const auto& mount = container.volumeMounts[i];
    auto at = item(path, i);
    if (mount.name.empty()) {
      errors.push_back(required(child(at, "name")));
    } else if (!volumes.contains(mount.name)) {
      errors.push_back(not_found(child(at, "name"), mount.name));
    }
    if (mount.mountPath.empty()) errors.push_back(required(child(at, "mountPath")));
    if (!places.insert(mount.mountPath).second) {
      errors.push_back(invalid(child(at, "mountPath"), mount.mountPath, "must be unique"));
    }
    if (mount.subPath.starts_with('/')) {
      errors.push_back(invalid(child(at, "subPath"), mount.subPath, "must be a relative path"));
    }
    auto padded = "/" + mount.subPath + "/";
    if (padded.find("/../") != std::string::npos) {
      errors.push_back(invalid(child(at, "subPath"), mount.subPath, "must not contain '..'"));
    }
    if (!mount.subPath.empty() && !mount.subPathExpr.empty()) {
      errors.push_back(invalid(child(at, "subPathExpr"), mount.subPathExpr,
                               "subPathExpr and subPath are mutually exclusive"));
    }
  }
}

void check_resources(FieldErrors& errors, const std::string& at,
                     const kube::ResourceRequirements& resources) {
  for (const auto& [name, request] : resources.requests) {
    if (quantity_value(request) < 0)
      errors.push_back(invalid(keyed(child(at, "requests"), name), request, kNotNegative));
    auto limit = resources.limits.find(name);
    if (limit != resources.limits.end() && quantity_value(request) > quantity_value(limit->second)) {
      errors.push_back(
          invalid(child(at, "requests"), request,
                  fmt::format("must be less than or equal to {} limit of {}", name, limit->second)));
    }
  }
  for (const auto& [name, limit] : resources.limits) {
    if (quantity_value(limit) < 0)
      errors.push_back(invalid(keyed(child(at, "limits"), name), limit, kNotNegative));
  }
}

struct Setting {
  const std::set<std::string>& volumes;
  bool host_network;
  bool is_init;
};

void check_container(FieldErrors& errors, const std::string& at, const Container& container,
                     const Setting& setting) {
  if (container.image.empty()) {
    errors.push_back(required(child(at, "image")));
  } else if (container.image.find_first_not_of(" \t\n") != 0 ||
             container.image.find_last_not_of(" \t\n") + 1 != container.image.size()) {
    errors.push_back(
        invalid(child(at, "image"), container.image, "must not have leading or trailing whitespace"));
  }
  check_container_ports(errors, child(at, "ports"), container, setting.host_network);
  check_env(errors, at, container);
  check_mounts(errors, child(at, "volumeMounts"), container, setting.volumes);
  check_resources(errors, child(at, "resources"), container.resources);
  bool stays = container.restartPolicy == "Always";
  check_probes(errors, at, container, !setting.is_init || stays);
  if (setting.is_init && container.restartPolicy && !stays) {
    errors.push_back(not_supported(child(at, "restartPolicy"), *container.restartPolicy, {"Always"}));
  }
  if (!setting.is_init && container.restartPolicy) {
    errors.push_back(forbidden(child(at, "restartPolicy"), "may not be set for non-init containers"));
  }
  check_one_of(errors, child(at, "imagePullPolicy"), container.imagePullPolicy,
               {"Always", "IfNotPresent", "Never"});
  check_one_of(errors, child(at, "terminationMessagePolicy"), container.terminationMessagePolicy,
               {"FallbackToLogsOnError", "File"});
}

void check_list(FieldErrors& errors, const std::string& path, const std::vector<Container>& containers,
                const Setting& setting, std::set<std::string>& names) {
  for (size_t i = 0; i < containers.size(); ++i) {
    auto at = item(path, i);
    const auto& name = containers[i].name;
    if (name.empty()) {
      errors.push_back(required(child(at, "name")));
    } else {
      check_name(errors, child(at, "name"), name, dns_label);
      if (!names.insert(name).second) errors.push_back(duplicate(child(at, "name"), name));
    }
    check_container(errors, at, containers[i], setting);
  }
  check_host_ports(errors, path, containers);
}

// ---- volumes

void check_volume_source(FieldErrors& errors, const std::string& at, const kube::Volume& volume) {
  auto needs = [&](const char* key, const std::string& value) {
    if (value.empty()) errors.push_back(required(child(at, key)));
  };
  if (volume.hostPath) {
    needs("hostPath.path", volume.hostPath->path);
    if (("/" + volume.hostPath->path + "/").find("/../") != std::string::npos) {
      errors.push_back(invalid(child(at, "hostPath.path"), volume.hostPath->path, "must not contain '..'"));
    }
  }
  if (volume.secret) needs("secret.secretName", volume.secret->secretName);
  if (volume.configMap) needs("configMap.name", volume.configMap->name);
  if (volume.persistentVolumeClaim) {
    needs("persistentVolumeClaim.claimName", volume.persistentVolumeClaim->claimName);
  }
  auto check_items = [&](const char* key, const std::vector<kube::KeyToPath>& items) {
    for (size_t i = 0; i < items.size(); ++i) {
      auto item_at = item(child(at, key), i);
      if (items[i].key.empty()) errors.push_back(required(child(item_at, "key")));
      if (items[i].path.empty()) errors.push_back(required(child(item_at, "path")));
      if (items[i].path.starts_with('/')) {
        errors.push_back(invalid(child(item_at, "path"), items[i].path, "must be a relative path"));
      }
      if (("/" + items[i].path + "/").find("/../") != std::string::npos) {
        errors.push_back(invalid(child(item_at, "path"), items[i].path, "must not contain '..'"));
      }
    }
  };
  if (volume.secret) check_items("secret.items", volume.secret->items);
  if (volume.configMap) check_items("configMap.items", volume.configMap->items);
}

}  // namespace

void check_volumes(FieldErrors& errors, const std::string& path, const std::vector<kube::Volume>& volumes,
                   std::set<std::string>& names) {
  for (size_t i = 0; i < volumes.size(); ++i) {
    const auto& volume = volumes[i];
    auto at = item(path, i);
    if (volume.name.empty()) {
      errors.push_back(required(child(at, "name")));
    } else {
      check_name(errors, child(at, "name"), volume.name, dns_label);
      if (!names.insert(volume.name).second) errors.push_back(duplicate(child(at, "name"), volume.name));
    }
    auto written = kube::encode(volume);
    auto sources = written.size() - written.contains("name");
    if (sources == 0) errors.push_back(required(at, "must specify a volume type"));
    if (sources > 1) errors.push_back(forbidden(at, "may not specify more than 1 volume type"));
    check_volume_source(errors, at, volume);
  }
}

void check_containers(FieldErrors& errors, const std::string& path, const kube::PodSpec& spec,
                      const std::set<std::string>& volumes) {
  std::set<std::string> names;
  auto containers = child(path, "containers");
  if (spec.containers.empty()) errors.push_back(required(containers));
  check_list(errors, child(path, "initContainers"), spec.initContainers, {volumes, spec.hostNetwork, true},
             names);
  check_list(errors, containers, spec.containers, {volumes, spec.hostNetwork, false}, names);
}

}  // namespace weft::standalone
