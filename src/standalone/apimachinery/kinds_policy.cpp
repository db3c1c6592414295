#include <algorithm>

#include "base/ip.h"
#include "kube/codec.h"
#include "kube/networking.h"
#include "standalone/apimachinery/kind_rules.h"

namespace weft::standalone {
namespace {

void fill_in_policy(json::object& object) {
  auto& spec = object_in(object, "spec");
  set_default(spec, "podSelector", json::object{});
  const auto* types = array_of(&spec, "policyTypes");
  if (types && !types->empty()) return;
  json::array chosen{"Ingress"};
  const auto* egress = array_of(&spec, "egress");
  if (egress && !egress->empty()) chosen.emplace_back("Egress");
  spec["policyTypes"] = std::move(chosen);
}

/// As kube-apiserver checks these: "" is no choice either.
void check_choice(FieldErrors& errors, const std::string& path, std::string_view value,
                  const std::vector<std::string>& choices) {
  if (std::ranges::find(choices, value) == choices.end()) {
    errors.push_back(not_supported(path, value, choices));
  }
}

void check_policy_port(FieldErrors& errors, const std::string& at, const kube::NetworkPolicyPort& port) {
  check_choice(errors, child(at, "protocol"), port.protocol.value_or("TCP"), {"TCP", "UDP", "SCTP"});
  auto end_at = child(at, "endPort");
  if (!port.port) {
    if (port.endPort) {
      errors.push_back(invalid(end_at, *port.endPort, "may not be specified when `port` is not specified"));
    }
    return;
  }
  if (port.endPort && !port.port->is_int()) {
    errors.push_back(invalid(end_at, *port.endPort, "may not be specified when `port` is non-numeric"));
  }
  check_port(errors, child(at, "port"), *port.port);
  if (!port.endPort || !port.port->is_int()) return;
  if (*port.endPort < port.port->number()) {
    errors.push_back(invalid(end_at, *port.endPort, "must be greater than or equal to `port`"));
  }
  check_port_number(errors, end_at, *port.endPort);
}

void check_ip_block(FieldErrors& errors, const std::string& at, const kube::IPBlock& block) {
  if (block.cidr.empty()) return errors.push_back(required(child(at, "cidr")));
  check_cidr(errors, child(at, "cidr"), block.cidr);
  auto whole = parse_lenient_cidr(block.cidr);
  if (!whole) return;
  for (size_t i = 0; i < block.except.size(); ++i) {
    auto except_at = item(child(at, "except"), i);
    check_cidr(errors, except_at, block.except[i]);
    auto part = parse_lenient_cidr(block.except[i]);
    if (part && (!whole->contains(part->addr) || whole->length >= part->length)) {
      errors.push_back(invalid(except_at, block.except[i], "must be a strict subset of `cidr`"));
    }
  }
}

void check_peer(FieldErrors& errors, const std::string& at, const kube::NetworkPolicyPeer& peer) {
  if (peer.podSelector) check_label_selector(errors, child(at, "podSelector"), *peer.podSelector);
  if (peer.namespaceSelector) {
    check_label_selector(errors, child(at, "namespaceSelector"), *peer.namespaceSelector);
  }
  if (peer.ipBlock) check_ip_block(errors, child(at, "ipBlock"), *peer.ipBlock);
  if (!peer.podSelector && !peer.namespaceSelector && !peer.ipBlock) {
    errors.push_back(required(at, "must specify a peer"));
  }
  if (peer.ipBlock && (peer.podSelector || peer.namespaceSelector)) {
    errors.push_back(forbidden(at, "may not specify both ipBlock and another peer"));
  }
}

void check_policy_rule(FieldErrors& errors, const std::string& at,
                       const std::vector<kube::NetworkPolicyPort>& ports, std::string_view peers_key,
                       const std::vector<kube::NetworkPolicyPeer>& peers) {
  for (size_t i = 0; i < ports.size(); ++i) check_policy_port(errors, item(child(at, "ports"), i), ports[i]);
  for (size_t i = 0; i < peers.size(); ++i) check_peer(errors, item(child(at, peers_key), i), peers[i]);
}

void validate_policy(FieldErrors& errors, const json::value& object) {
  auto policy = kube::decode<kube::NetworkPolicy>(object);
  if (!policy) return errors.push_back(invalid("", nullptr, policy.error().message));
  const auto& spec = policy->spec;
  check_label_selector(errors, "spec.podSelector", spec.podSelector);
  for (size_t i = 0; i < spec.ingress.size(); ++i) {
    check_policy_rule(errors, item("spec.ingress", i), spec.ingress[i].ports, "from", spec.ingress[i].from);
  }
  for (size_t i = 0; i < spec.egress.size(); ++i) {
    check_policy_rule(errors, item("spec.egress", i), spec.egress[i].ports, "to", spec.egress[i].to);
  }
  if (spec.policyTypes.size() > 2) {
    return errors.push_back(
        invalid("spec.policyTypes", to_json(spec.policyTypes), "may not specify more than two policyTypes"));
  }
  for (size_t i = 0; i < spec.policyTypes.size(); ++i) {
    check_choice(errors, item("spec.policyTypes", i), spec.policyTypes[i], {"Ingress", "Egress"});
  }
}

}  // namespace

std::vector<KindRules> policy_rules() {
  return {{.group = "networking.k8s.io",
           .kind = "NetworkPolicy",
           .generation = true,
           .fill_in = fill_in_policy,
           .validate = validate_policy}};
}

}  // namespace weft::standalone
