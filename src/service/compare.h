#pragma once

#include <span>
#include <string>
#include <vector>

#include "service/dump.h"
#include "service/plan.h"

namespace weft::service {

/// One way in to a Service, as the API asks for it and as one node's kernel has it.
struct Way {
  std::string service;  ///< "namespace/name"; empty: no Service asks for what the kernel has
  std::string why;      ///< "Service shop/web spec.clusterIPs[0] spec.ports[0] (http)"
  FrontendKind kind = FrontendKind::cluster_ip;
  IpAddr addr;
  uint16_t port = 0;
  Protocol protocol = Protocol::tcp;
  std::vector<std::string> backends;       ///< wanted for clients on the node: "10.244.0.2:8080", sorted
  std::vector<std::string> edge_backends;  ///< wanted for packets from elsewhere
  std::string difference;                  ///< what the kernel has instead; empty: the same
};

struct NamedPlan {
  const kube::Service* service = nullptr;
  ServicePlan plan;
};

/// Pure. In the order of the plans; then what the kernel has without reason.
std::vector<Way> compare(std::span<const NamedPlan> plans, std::span<const ProgrammedFrontend> kernel);

std::string_view name_of(FrontendKind kind);

}  // namespace weft::service
