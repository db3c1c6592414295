#include "standalone/sandbox/env.h"

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "kube/base64.h"

namespace weft::standalone::sandbox {

using kube::Container;

std::string expand(std::string_view text,
                   const std::function<std::optional<std::string>(const std::string&)>& lookup) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    char next = text[i + 1];
    size_t close = next == '(' ? text.find(')', i + 2) : std::string_view::npos;
    if (next == '$') {
      out += '$';
      ++i;
    } else if (close != std::string_view::npos) {
      std::string name(text.substr(i + 2, close - i - 2));
      auto value = lookup(name);
      out += value ? *value : fmt::format("$({})", name);
      i = close;
    } else {
      out += '$';
    }
  }
  return out;
}

namespace {

/// metadata.labels['a/b'] → a/b.
std::optional<std::string> subscript(const std::string& path, std::string_view field) {
  std::string begin = fmt::format("{}['", field);
  if (!path.starts_with(begin) || !path.ends_with("']")) return {};
  return path.substr(begin.size(), path.size() - begin.size() - 2);
}

std::string value_or_empty(const kube::StringMap& map, const std::string& key) {
  auto it = map.find(key);
  return it == map.end() ? "" : it->second;
}

/// key="value" lines, as the downward API writes maps.
std::string format_map(const kube::StringMap& map) {
  std::string out;
  for (const auto& [key, value] : map) {
    out += key + "=\"";
    for (char c : value) {
      if (c == '"' || c == '\\') out += '\\';
      if (c == '\n') {
        out += "\\n";
      } else {
        out += c;
      }
    }
    out += "\"\n";
  }
  if (!out.empty()) out.pop_back();
  return out;
}

/// A quantity as a number; 0 when it is malformed (the API server has checked it).
double quantity(const std::string& text) {
  char* end = nullptr;
  double value = std::strtod(text.c_str(), &end);
  static const std::map<std::string, double> kSuffixes = {
      {"", 1},        {"n", 1e-9},    {"u", 1e-6},    {"m", 1e-3},   {"k", 1e3},     {"M", 1e6},
      {"G", 1e9},     {"T", 1e12},    {"P", 1e15},    {"E", 1e18},   {"Ki", 1024.0}, {"Mi", 0x1p20},
      {"Gi", 0x1p30}, {"Ti", 0x1p40}, {"Pi", 0x1p50}, {"Ei", 0x1p60}};
  auto it = kSuffixes.find(end);
  return it == kSuffixes.end() ? 0 : value * it->second;
}

double machine_capacity(const std::string& resource) {
  if (resource == "cpu") return static_cast<double>(::sysconf(_SC_NPROCESSORS_ONLN));
  if (resource == "memory")
    return static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGE_SIZE));
  return 0;
}

const Container* find_container(const kube::PodSpec& spec, const std::string& name) {
  for (const auto* list : {&spec.containers, &spec.initContainers}) {
    for (const auto& container : *list) {
      if (container.name == name) return &container;
    }
  }
  return nullptr;
}

void set(Environment& environment, const std::string& name, std::string value) {
  for (auto& [key, old] : environment) {
    if (key == name) {
      old = std::move(value);
      return;
    }
  }
  environment.emplace_back(name, std::move(value));
}

/// All keys of a Secret, decoded.
kube::StringMap secret_data(const kube::Secret& secret) {
  kube::StringMap out;
  for (const auto& [key, value] : secret.data) out[key] = kube::decode_base64(value).value_or("");
  return out;
}

Expected<void> add_all(Environment& environment, const Container& container, const ConfigSource& source) {
  for (const auto& from : container.envFrom) {
    kube::StringMap values;
    if (from.configMapRef) {
      auto map = source.config_map(from.configMapRef->name);
      if (!map && !from.configMapRef->optional.value_or(false))
        return fail(ErrorCode::not_found, fmt::format("configmap \"{}\" not found", from.configMapRef->name));
      if (map) values = map->data;
    } else if (from.secretRef) {
      auto secret = source.secret(from.secretRef->name);
      if (!secret && !from.secretRef->optional.value_or(false))
        return fail(ErrorCode::not_found, fmt::format("secret \"{}\" not found", from.secretRef->name));
      if (secret) values = secret_data(*secret);
    }
    for (auto& [key, value] : values) set(environment, from.prefix + key, std::move(value));
  }
  return {};
}

template <class Selector>
Expected<std::optional<std::string>> pick(const Selector& ref, std::string_view kind, bool exists,
                                          const kube::StringMap& values) {
  auto it = values.find(ref.key);
  if (it != values.end()) return std::optional(it->second);
  if (ref.optional.value_or(false)) return std::optional<std::string>();
  if (!exists) return fail(ErrorCode::not_found, fmt::format("{} \"{}\" not found", kind, ref.name));
  return fail(ErrorCode::not_found, fmt::format("couldn't find key {} in {} {}", ref.key, kind, ref.name));
}

/// Nothing: an optional reference that leads nowhere; the variable is left out.
Expected<std::optional<std::string>> referenced(const PodFacts& facts, const Container& container,
                                                const kube::EnvVarSource& from, const ConfigSource& source) {
  if (from.fieldRef) {
    WEFT_TRY(auto value, field_value(facts, from.fieldRef->fieldPath));
    return std::optional(value);
  }
  if (from.resourceFieldRef) {
    WEFT_TRY(auto value, resource_value(facts.pod->spec, container, *from.resourceFieldRef));
    return std::optional(value);
  }
  if (from.configMapKeyRef) {
    auto map = source.config_map(from.configMapKeyRef->name);
    return pick(*from.configMapKeyRef, "configmap", map != nullptr, map ? map->data : kube::StringMap());
  }
  if (from.secretKeyRef) {
    auto secret = source.secret(from.secretKeyRef->name);
    return pick(*from.secretKeyRef, "secret", secret != nullptr,
                secret ? secret_data(*secret) : kube::StringMap());
  }
  return fail(ErrorCode::invalid, "env: this kind of valueFrom is not supported");
}

}  // namespace

Expected<std::string> field_value(const PodFacts& facts, const std::string& path) {
  const auto& pod = *facts.pod;
  auto first = [](const std::vector<std::string>& list) {
    return list.empty() ? std::string() : list.front();
  };
  if (auto key = subscript(path, "metadata.labels")) return value_or_empty(pod.metadata.labels, *key);
  if (auto key = subscript(path, "metadata.annotations"))
    return value_or_empty(pod.metadata.annotations, *key);
  if (path == "metadata.name") return pod.metadata.name;
  if (path == "metadata.namespace") return pod.metadata.namespace_;
  if (path == "metadata.uid") return pod.metadata.uid;
  if (path == "metadata.labels") return format_map(pod.metadata.labels);
  if (path == "metadata.annotations") return format_map(pod.metadata.annotations);
  if (path == "spec.nodeName") return pod.spec.nodeName;
  if (path == "spec.serviceAccountName") return pod.spec.serviceAccountName;
  if (path == "status.podIP") return first(facts.pod_ips);
  if (path == "status.podIPs") return fmt::format("{}", fmt::join(facts.pod_ips, ","));
  if (path == "status.hostIP") return first(facts.host_ips);
  if (path == "status.hostIPs") return fmt::format("{}", fmt::join(facts.host_ips, ","));
  return fail(ErrorCode::invalid, fmt::format("fieldPath {}: not supported", path));
}

Expected<std::string> resource_value(const kube::PodSpec& spec, const Container& self,
                                     const kube::ResourceFieldSelector& ref) {
  const Container* container = ref.containerName.empty() ? &self : find_container(spec, ref.containerName);
  if (!container)
    return fail(ErrorCode::invalid, fmt::format("resourceFieldRef: no container \"{}\"", ref.containerName));
  size_t dot = ref.resource.find('.');
  auto kind = ref.resource.substr(0, dot);
  if (dot == std::string::npos || (kind != "limits" && kind != "requests"))
    return fail(ErrorCode::invalid, fmt::format("resourceFieldRef: unknown resource {}", ref.resource));
  auto name = ref.resource.substr(dot + 1);
  const auto& limits = container->resources.limits;
  const auto& requests = container->resources.requests;
  double value = 0;
  if (kind == "requests" && requests.contains(name)) {
    value = quantity(requests.at(name));
  } else if (limits.contains(name)) {
    value = quantity(limits.at(name));
  } else if (kind == "limits") {
    value = machine_capacity(name);
  }
  double divisor = ref.divisor.empty() ? 1 : quantity(ref.divisor);
  if (divisor <= 0) divisor = 1;
  return std::to_string(static_cast<int64_t>(std::ceil(value / divisor)));
}

std::optional<std::string> find_variable(const Environment& environment, const std::string& name) {
  for (const auto& [key, value] : environment) {
    if (key == name) return value;
  }
  return {};
}

Expected<Environment> build_environment(const PodFacts& facts, const Container& container,
                                        const ConfigSource& source) {
  Environment environment;
  WEFT_CHECK(add_all(environment, container, source));
  for (const auto& variable : container.env) {
    if (!variable.valueFrom) {
      auto lookup = [&](const std::string& name) { return find_variable(environment, name); };
      set(environment, variable.name, expand(variable.value, lookup));
      continue;
    }
    WEFT_TRY(auto value, referenced(facts, container, *variable.valueFrom, source));
    if (value) set(environment, variable.name, std::move(*value));
  }
  return environment;
}

}  // namespace weft::standalone::sandbox
