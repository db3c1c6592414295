#include <algorithm>

#include "base/ip.h"
#include "kube/cluster_network_policy.h"
#include "kube/codec.h"
#include "standalone/apimachinery/crd.h"
#include "standalone/apimachinery/crd_schema.h"
#include "standalone/apimachinery/kind_rules.h"

/// ClusterNetworkPolicy is refused as a cluster refuses it that has its CustomResourceDefinition
/// (network-policy-api v0.2.0, experimental channel): what the schema says, then its CEL rules.
namespace weft::standalone {
namespace {

json::object fields(json::object properties) { return {{"properties", std::move(properties)}}; }

/// Exactly one of the fields.
json::object one_of(json::object properties) {
  auto out = fields(std::move(properties));
  out["minProperties"] = 1;
  out["maxProperties"] = 1;
  return out;
}

json::object list_of(json::object items, int min, int max) {
  json::object out{{"items", std::move(items)}, {"maxItems", max}};
  if (min > 0) out["minItems"] = min;
  return out;
}

json::object with_required(json::object props, std::initializer_list<const char*> names) {
  json::array list;
  for (const auto* name : names) list.emplace_back(name);
  props["required"] = std::move(list);
  return props;
}

json::object set_of(json::object items) {
  auto out = list_of(std::move(items), 1, 25);
  out["x-kubernetes-list-type"] = "set";
  return out;
}

json::object choice(json::array values) { return {{"enum", std::move(values)}}; }

json::object protocol_rules() {
  json::object number{{"minimum", 1}, {"maximum", 65535}};
  auto range = with_required(fields({{"start", number}, {"end", number}}), {"start", "end"});
  auto transport = fields({{"destinationPort", one_of({{"number", number}, {"range", range}})}});
  transport["minProperties"] = 1;
  return one_of({{"tcp", transport},
                 {"udp", transport},
                 {"sctp", transport},
                 {"destinationNamedPort", json::object()}});
}

json::object selector_rules() {
  auto term =
      with_required(fields({{"key", json::object()}, {"operator", json::object()}}), {"key", "operator"});
  return fields({{"matchExpressions", json::object{{"items", std::move(term)}}}});
}

/// What a subject can be, and every peer.
json::object pods_rules() {
  auto pods = with_required(
      fields({{"namespaceSelector", selector_rules()}, {"podSelector", selector_rules()}}), {"podSelector"});
  return {{"namespaces", selector_rules()}, {"pods", std::move(pods)}};
}

json::object egress_peer_rules() {
  auto peers = pods_rules();
  peers["nodes"] = selector_rules();
  peers["networks"] = set_of({{"maxLength", 43}});
  // A-z is upstream's: it lets a few signs between Z and a begin a label.
  peers["domainNames"] = set_of({{"pattern", R"(^(\*\.)?([a-zA-z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.)+)"
                                             R"([a-zA-z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.?$)"}});
  return one_of(std::move(peers));
}

json::object rules_of_direction(const char* peers_key, json::object peer) {
  auto rule = fields({{"name", json::object{{"maxLength", 100}}},
                      {"action", choice({"Accept", "Deny", "Pass"})},
                      {peers_key, list_of(std::move(peer), 1, 25)},
                      {"protocols", list_of(protocol_rules(), 1, 25)}});
  return list_of(with_required(std::move(rule), {"action", peers_key}), 0, 25);
}

json::object condition_rules() {
  auto condition =
      fields({{"message", json::object{{"maxLength", 32768}}},
              {"observedGeneration", json::object{{"minimum", 0}}},
              {"reason", json::object{{"minLength", 1},
                                      {"maxLength", 1024},
                                      {"pattern", "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"}}},
              {"status", choice({"True", "False", "Unknown"})},
              {"type", json::object{{"maxLength", 316},
                                    {"pattern",
                                     R"(^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?)"
                                     R"((([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$)"}}}});
  return with_required(std::move(condition), {"lastTransitionTime", "message", "reason", "status", "type"});
}

const kube::Schema& schema_rules() {
  static const kube::SchemaPtr schema = [] {
    auto spec = with_required(fields({{"tier", choice({"Admin", "Baseline"})},
                                      {"priority", json::object{{"minimum", 0}, {"maximum", 1000}}},
                                      {"subject", one_of(pods_rules())},
                                      {"ingress", rules_of_direction("from", one_of(pods_rules()))},
                                      {"egress", rules_of_direction("to", egress_peer_rules())}}),
                              {"priority", "subject", "tier"});
    json::object conditions{{"items", condition_rules()},
                            {"x-kubernetes-list-type", "map"},
                            {"x-kubernetes-list-map-keys", {"type"}}};
    auto status = with_required(fields({{"conditions", std::move(conditions)}}), {"conditions"});
    return rules_schema(with_required(fields({{"spec", std::move(spec)}, {"status", std::move(status)}}),
                                      {"metadata", "spec"}));
  }();
  return *schema;
}

/// A CEL rule of an object that does not hold: upstream leaves the value out.
void broken_rule(FieldErrors& errors, std::string field, std::string_view message) {
  errors.push_back({"FieldValueInvalid", std::move(field), "Invalid value: " + std::string(message)});
}

void check_protocols(FieldErrors& errors, const std::string& path,
                     const std::vector<kube::ClusterNetworkPolicyProtocol>& protocols) {
  for (size_t i = 0; i < protocols.size(); ++i) {
    auto check = [&](const char* name, const auto& transport) {
      if (!transport || !transport->destinationPort || !transport->destinationPort->range) return;
      const auto& range = *transport->destinationPort->range;
      if (range.start < range.end) return;
      broken_rule(errors, child(child(item(path, i), name), "destinationPort.range"),
                  "Start port must be less than End port");
    };
    check("tcp", protocols[i].tcp);
    check("udp", protocols[i].udp);
    check("sctp", protocols[i].sctp);
  }
}

bool is_network(const std::string& text) {
  static const auto v4_mapped = *IpPrefix::parse("::ffff:0:0/96");
  auto prefix = IpPrefix::parse(text);
  return prefix && !v4_mapped.contains(prefix->addr);
}

void check_egress_rule(FieldErrors& errors, const std::string& path,
                       const kube::ClusterNetworkPolicyEgressRule& rule) {
  bool outside = std::ranges::any_of(rule.to, [](const kube::ClusterNetworkPolicyEgressPeer& peer) {
    return !peer.networks.empty() || peer.nodes || !peer.domainNames.empty();
  });
  bool named = std::ranges::any_of(rule.protocols, [](const kube::ClusterNetworkPolicyProtocol& protocol) {
    return !protocol.destinationNamedPort.empty();
  });
  if (outside && named) {
    broken_rule(errors, path,
                "networks/nodes/domainNames peer cannot be set with namedPorts since there are no namedPorts "
                "for networks/nodes/domainNames");
  }
  check_protocols(errors, child(path, "protocols"), rule.protocols);
  for (size_t i = 0; i < rule.to.size(); ++i) {
    const auto& networks = rule.to[i].networks;
    for (size_t j = 0; j < networks.size(); ++j) {
      if (is_network(networks[j])) continue;
      errors.push_back(invalid(item(child(item(child(path, "to"), i), "networks"), j), networks[j],
                               "Invalid CIDR format provided"));
    }
  }
}

bool keeps_cel_from_running(const FieldError& error) {
  return error.reason != "FieldValueInvalid" && error.reason != "FieldValueDuplicate";
}

void validate(FieldErrors& errors, const json::value& object) {
  auto found = validate_by_schema(object, schema_rules());
  errors.insert(errors.end(), found.begin(), found.end());
  if (std::ranges::any_of(found, keeps_cel_from_running)) {
    errors.push_back(invalid("<nil>", nullptr,
                             "some validation rules were not checked because the object was invalid; correct "
                             "the existing errors to complete validation"));
    return;
  }
  auto policy = kube::decode<kube::ClusterNetworkPolicy>(object);
  if (!policy) return errors.push_back(invalid("", nullptr, policy.error().message));
  const auto& spec = policy->spec;
  for (size_t i = 0; i < spec.ingress.size(); ++i) {
    check_protocols(errors, child(item("spec.ingress", i), "protocols"), spec.ingress[i].protocols);
  }
  for (size_t i = 0; i < spec.egress.size(); ++i) {
    check_egress_rule(errors, item("spec.egress", i), spec.egress[i]);
  }
}

void validate_status(FieldErrors& errors, const json::value& object, const json::value& /*old*/) {
  validate(errors, object);
}

}  // namespace

std::vector<KindRules> cluster_policy_rules() {
  return {{.group = "policy.networking.k8s.io",
           .kind = "ClusterNetworkPolicy",
           .generation = true,
           .validate = validate,
           .validate_status = validate_status}};
}

}  // namespace weft::standalone
