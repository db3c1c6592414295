#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "kube/json.h"
#include "trace/world.h"

/// The service map: who is there, who is to talk to whom by what is declared, and who was seen to.
namespace weft::ui {

/// Columns, from left to right.
enum class Column : uint8_t { clients, gateways, services, workloads };

/// A workload, a Service, a Gateway, or all that is outside.
struct MapNode {
  std::string kind;  ///< "Deployment"; "Outside", "Ingress"
  std::string namespace_, name;
  Column column = Column::clients;
  std::vector<std::string> pods;   ///< of a workload
  size_t ready = 0;                ///< of them
  std::set<std::string> isolated;  ///< "ingress", "egress": policies deny what they do not allow
  std::string problem;             ///< why nobody gets any further; empty: nothing is known against it
};

/// What `weft trace` is to be asked.
struct Question {
  std::string from, to, protocol = "tcp", host;
  uint16_t port = 0;
  json::object to_json() const;
};

/// What was seen on an edge lately; times as flows have them.
struct Traffic {
  uint64_t passed = 0, failed = 0;
  std::string last_passed, last_failed;
  std::string why;  ///< of the last failure
};

struct MapEdge {
  std::set<std::string> why;  ///< "selector", "route", "entrance", "policy", "seen"
  Traffic traffic;
  std::string problem;  ///< why it cannot work; empty: nothing is known against it
  Question question;
};

struct ServiceMap {
  using Ends = std::pair<std::string, std::string>;
  std::map<std::string, MapNode> nodes;  ///< by "deployment/shop/web", "service/shop/web", "outside", …
  std::map<Ends, MapEdge> edges;
  std::vector<std::string> notes;

  // How flows find their places.
  std::map<std::string, std::string> workload_of;  ///< by pod
  std::map<std::string, std::string> service_at;   ///< nodes of the map, by Service
  /// Services that lead to a port of a workload.
  std::map<std::pair<std::string, uint16_t>, std::set<std::string>> services_of;
};

inline constexpr const char* kOutside = "outside";
/// Those that pods reach outside.
inline constexpr const char* kElsewhere = "elsewhere";

/// By objects alone.
ServiceMap declared_map(const trace::World& world);

/// Adds what was seen: flows as observe::FlowFilter reads them, the oldest first.
void add_flows(ServiceMap& map, const trace::World& world,
               std::span<const std::shared_ptr<const json::value>> flows);

/// {"nodes", "edges", "notes", "namespaces"}: docs/ui.md. `lately`: failures since then count though it has
/// worked after them.
json::object to_json(const ServiceMap& map, const std::string& lately);

}  // namespace weft::ui
