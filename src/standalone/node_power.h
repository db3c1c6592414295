#pragma once

#include <string>

#include "base/error.h"

namespace weft::standalone {

/// What a simulated node can be made to suffer.
enum class NodePower : uint8_t {
  on,       ///< plugged in and running
  cut,      ///< its cable is out: it runs on, alone
  stopped,  ///< its cable is out and all its processes, pods included, stand still
};

/// Sets it at once, whether or not the cluster's `weft up` is well. not_found if there is no such node.
Expected<void> set_node_power(const std::string& cluster, const std::string& node, NodePower power);

/// Whether the node with that state folder can be heard by the control plane, as set last.
bool node_is_reachable(const std::string& state_dir);

/// For a node that is made anew in the state folder of an earlier one: it is on, whatever that one was.
void reset_node_power(const std::string& state_dir);

}  // namespace weft::standalone
