#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kube/json.h"

namespace weft::observe {

/// Which flows somebody wants to see. Of each list one has to fit, and all lists that have anything; pods are
/// "NAMESPACE/NAME" or "NAME", and what begins so, as pods of a Deployment do.
struct FlowFilter {
  std::vector<std::string> pod, from_pod, to_pod;
  std::vector<std::string> ns, from_ns, to_ns;
  std::vector<std::string> ip, from_ip, to_ip;
  std::vector<std::string> service;  ///< "NAMESPACE/NAME" or "NAME"
  std::vector<std::string> verdict, protocol, event;
  std::vector<uint16_t> port, to_port;
  bool invert = false;  ///< those that do not fit

  /// `flow` as flows_json() has it, or flow_of_decision.
  bool wants(const json::value& flow) const;
};

/// What a policy decided (policy::Decision::to_json, with its time), in the form of flows: "event" is
/// "decided", "verdict" DROPPED, AUDIT or FORWARDED, and there are "why" and "policies".
json::object flow_of_decision(const json::value& decision);

/// "2026-11-27T22:10:05.123456Z node-1: shop/client:41234 -> shop/web-1:8080 (shop/web:80) TCP connected
/// FORWARDED in 0.2 ms".
std::string compact(const json::value& flow);

}  // namespace weft::observe
