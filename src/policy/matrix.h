#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kube/json.h"
#include "kube/pod.h"
#include "policy/plan.h"

/// Who may talk to whom, by policies. Pure: all from a plan whose subjects are the pods of all nodes.
namespace weft::policy {

/// Pods that may reach, and be reached by, the same others, and that belong to one owner.
struct MatrixGroup {
  std::string name;  ///< "NAMESPACE/OWNER" if all pods of the owner are in it, else that of its first pod
  std::vector<std::string> pods;
};

struct PortVerdict {
  uint8_t protocol = 0;  ///< IPPROTO_…
  uint16_t port = 0;
  std::string family;  ///< "IPv4" or "IPv6", where it makes a difference
  bool allowed = false;
  bool audit = false;           ///< it would have been denied
  std::string egress, ingress;  ///< why, at the source and at the destination; empty: not asked there
  bool operator==(const PortVerdict&) const = default;
};

/// From one group to another.
struct MatrixCell {
  bool self = false;  ///< of a pod to itself, which is always allowed
  std::vector<PortVerdict> ports;
  bool operator==(const MatrixCell&) const = default;

  /// Of several ports "all", "none" or which are allowed; of one, `only_port`, "allowed" or "denied".
  /// "audit": it is allowed, and would have been denied.
  std::string str(bool only_port) const;
};

struct Matrix {
  std::vector<MatrixGroup> groups;             ///< by name
  std::vector<std::vector<MatrixCell>> cells;  ///< by source and destination
  bool only_port = false;

  json::object to_json() const;
};

struct MatrixOptions {
  std::string namespace_;        ///< whose pods; empty: all
  std::optional<uint16_t> port;  ///< nothing: those that the destination's containers declare, else TCP 80
  uint8_t protocol = 0;          ///< of `port`
};

/// `pods`: those that the plan knows; without those that have no address or are over.
Matrix make_matrix(const PolicyPlan& plan, const std::vector<kube::Pod>& pods, const MatrixOptions& options);

}  // namespace weft::policy
