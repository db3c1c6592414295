#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include "check/context.h"

/// What pods ask for, as far as their environment, arguments and configuration say it: addresses whose host
/// is the name of a Service of the manifests. Anything else may be elsewhere, or no address at all.
namespace weft::check {
namespace {

struct Address {
  std::string host;
  std::optional<int> port;
};

bool is_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
}

/// "web:80"; nothing: it is something else.
std::optional<Address> parse_host_port(std::string_view text) {
  auto colon = text.find(':');
  Address out{.host = std::string(text.substr(0, colon)), .port = {}};
  if (out.host.ends_with('.')) out.host.pop_back();
  if (!is_name(out.host)) return {};
  if (colon == text.npos) return out;
  text.remove_prefix(colon + 1);
  int port = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port < 1 || port > 65535) return {};
  out.port = port;
  return out;
}

/// The hosts of a URL ("mongodb://user@a:1,b:2/db"), wherever it begins in the text.
void add_url(std::string_view text, std::vector<Address>& out) {
  for (auto at = text.find("://"); at != text.npos; at = text.find("://", at)) {
    at += 3;
    auto hosts = text.substr(at);
    hosts = hosts.substr(0, hosts.find_first_of("/?# \t\"'`<>()[]{}|\\;"));
    if (auto user = hosts.rfind('@'); user != hosts.npos) hosts.remove_prefix(user + 1);
    while (!hosts.empty()) {
      auto comma = hosts.find(',');
      if (auto address = parse_host_port(hosts.substr(0, comma))) out.push_back(std::move(*address));
      hosts = comma == hosts.npos ? std::string_view() : hosts.substr(comma + 1);
    }
  }
}

/// Addresses in a text of one line. `bare`: "web:80" alone is one, too.
std::vector<Address> addresses_in(std::string_view text, bool bare) {
  std::vector<Address> out;
  if (text.find('\n') != text.npos) return out;
  add_url(text, out);
  if (!out.empty() || !bare) return out;
  auto address = parse_host_port(text);
  if (address && address->port) out.push_back(std::move(*address));
  return out;
}

/// Names of variables whose "web:80" is an image and its tag.
bool is_image(std::string_view name) {
  auto has = [&](std::string_view word) {
    return std::ranges::search(name, word, [](char a, char b) { return std::toupper(a) == b; }).begin() !=
           name.end();
  };
  return has("IMAGE") || has("TAG") || has("VERSION");
}

class ClientCheck {
 public:
  ClientCheck(const Context& context, std::string ns) : context_(context), ns_(std::move(ns)) {}

  /// The Service that the name means, in a pod of the namespace; "": none of the manifests.
  std::string service_of(const std::string& host) const {
    std::string_view rest = host;
    for (const char* end : {".cluster.local", ".svc"}) {
      if (rest.ends_with(end)) rest.remove_suffix(std::string_view(end).size());
    }
    auto dot = rest.find('.');
    if (dot == rest.npos && rest.size() < host.size()) return {};
    auto key = dot == rest.npos ? trace::key_of(ns_, rest)
                                : trace::key_of(rest.substr(dot + 1), rest.substr(0, dot));
    return context_.is_written("Service", key) && context_.world.services.contains(key) ? key : std::string();
  }

  void check(const Address& address, const trace::ObjectRef& where) const {
    auto key = service_of(address.host);
    if (key.empty()) return is_elsewhere(address, where);
    const auto& spec = context_.world.services.at(key)->spec;
    // Without a cluster address the pods themselves are asked, at ports that need not be declared.
    if (!address.port || spec.type == "ExternalName" || spec.clusterIP == "None") return;
    std::string have, target;
    for (const auto& port : spec.ports) {
      if (port.port == *address.port) return;
      have += fmt::format("{}{}", have.empty() ? "" : ", ", port.port);
      if (port.targetPort.is_int() && port.targetPort.number() == *address.port)
        target = fmt::format("; {} is where its pods listen", *address.port);
    }
    context_.add("WEFT0107", Severity::warning, where,
                 fmt::format("{}:{} is asked for, and Service {} has no port {}: it has {}{}", address.host,
                             *address.port, key, *address.port, have, target),
                 "Ask for a port of the Service");
  }

 private:
  /// A short name is looked for in the pod's namespace alone.
  void is_elsewhere(const Address& address, const trace::ObjectRef& where) const {
    if (address.host.find('.') != std::string::npos || !says_namespace(where)) return;
    for (const auto& [ns, object] : context_.world.namespaces) {
      auto key = trace::key_of(ns, address.host);
      if (ns == ns_ || !context_.written("Service", key, "metadata.namespace")) continue;
      return context_.add(
          "WEFT0101", Severity::warning, where,
          fmt::format("{} is asked for, and namespace {} has no such Service; there is Service {}",
                      address.host, ns_, key),
          fmt::format("Ask for {}.{}", address.host, ns));
    }
  }

  /// What names no namespace may be meant for any.
  bool says_namespace(const trace::ObjectRef& where) const {
    return context_.written(where.kind, trace::key_of(where.namespace_, where.name), "metadata.namespace");
  }

  const Context& context_;
  const std::string ns_;
};

/// An address in a pod's container, and where it is written.
struct Use {
  Address address;
  std::string field;
};

std::vector<Use> uses_of(const kube::Pod& pod) {
  std::vector<Use> out;
  auto add = [&](std::string_view text, bool bare, const std::string& field) {
    for (auto& address : addresses_in(text, bare)) out.push_back({std::move(address), field});
  };
  auto add_all = [&](const std::vector<kube::Container>& containers, const char* list) {
    for (size_t i = 0; i < containers.size(); ++i) {
      auto prefix = fmt::format("spec.{}[{}].", list, i);
      const auto& container = containers[i];
      for (size_t j = 0; j < container.env.size(); ++j)
        add(container.env[j].value, !is_image(container.env[j].name),
            fmt::format("{}env[{}].value", prefix, j));
      for (size_t j = 0; j < container.args.size(); ++j)
        add(container.args[j], false, fmt::format("{}args[{}]", prefix, j));
      for (size_t j = 0; j < container.command.size(); ++j)
        add(container.command[j], false, fmt::format("{}command[{}]", prefix, j));
    }
  };
  add_all(pod.spec.initContainers, "initContainers");
  add_all(pod.spec.containers, "containers");
  return out;
}

/// Whether its resolver knows no Services.
bool asks_elsewhere(const kube::PodSpec& spec) {
  return spec.dnsPolicy == "Default" ||
         (spec.hostNetwork && spec.dnsPolicy != "ClusterFirstWithHostNet" && spec.dnsPolicy != "None");
}

void check_dns(const Context& context, const kube::Pod& pod, const std::vector<Use>& uses) {
  const auto& spec = pod.spec;
  const ClientCheck client(context, pod.metadata.namespace_);
  auto use = std::ranges::find_if(
      uses, [&](const Use& one) { return !client.service_of(one.address.host).empty(); });
  bool needs = use != uses.end();
  if (!asks_elsewhere(spec)) return;
  auto where = place_of(context, pod, spec.hostNetwork ? "spec.hostNetwork" : "spec.dnsPolicy");
  auto policy = spec.hostNetwork && spec.dnsPolicy != "Default"
                    ? "on the host's network dnsPolicy ClusterFirst means Default: "
                    : "with dnsPolicy Default ";
  if (needs)
    context.add(
        "WEFT0120", Severity::warning, std::move(where),
        fmt::format("{}it asks the node's name servers, which know no Services, and it needs {}", policy,
                    use->address.host),
        spec.hostNetwork ? "Set dnsPolicy: ClusterFirstWithHostNet" : "Leave dnsPolicy at ClusterFirst");
  else if (spec.hostNetwork && spec.dnsPolicy != "Default")
    context.add("WEFT0120", Severity::note, std::move(where),
                fmt::format("{}it asks the node's name servers, and finds no Services", policy),
                "If it needs them: dnsPolicy ClusterFirstWithHostNet");
}

void check_config_map(const Context& context, const kube::YamlDocument& document) {
  Written map(document);
  const auto* data = kube::member(document.value, "data");
  if (!data || !data->is_object()) return;
  const ClientCheck client(context, map.ns);
  for (const auto& [name, value] : data->get_object()) {
    if (!value.is_string()) continue;
    std::string field = "data";
    kube::append_key(field, name);
    for (const auto& address : addresses_in(value.get_string(), false))
      client.check(address, map.at(context, field));
  }
}

}  // namespace

void check_clients(const Context& context) {
  for (const auto& [ns, object] : context.world.namespaces) {
    const ClientCheck client(context, ns);
    for (const auto& pod : context.pods.kinds_in(ns)) {
      auto uses = uses_of(*pod);
      for (const auto& use : uses) client.check(use.address, place_of(context, *pod, use.field));
      check_dns(context, *pod, uses);
    }
  }
  for (const auto& document : context.manifests) {
    if (kube::string_at(document.value, "kind") == "ConfigMap") check_config_map(context, document);
  }
}

}  // namespace weft::check
