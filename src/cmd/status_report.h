#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cmd/status_gateway.h"
#include "datapath/map_fill.h"
#include "kube/client/client.h"
#include "service/compare.h"

namespace weft::cmd {

/// What a kernel has of the Services that the API asks for.
struct ServiceCount {
  size_t wanted = 0;      ///< that have an address
  size_t programmed = 0;  ///< of these, those without a difference
};

/// What a kernel has of policies.
struct PolicyStatus {
  size_t pods = 0;  ///< that were compared
  std::vector<std::string> differences;
};

struct NodeStatus {
  std::string name;
  bool ready = false;
  std::string since;                     ///< RFC 3339; empty: nobody ever said
  std::string reason;                    ///< when it is not ready
  std::string agent;                     ///< "": its /healthz is well; else what is wrong
  std::optional<std::string> proxy;      ///< as agent, of the gateway's proxy; nothing: no node has one
  std::optional<ServiceCount> services;  ///< nothing: its kernel cannot be seen from here
  std::vector<service::Way> differences;
  std::optional<PolicyStatus> policy;  ///< nothing: its kernel cannot be seen from here
  std::string kernel;                  ///< why its kernel could not be read; "": it was, or need not be
  size_t pods = 0, ready_pods = 0;
  std::vector<datapath::MapFill> full_maps;  ///< above kFull
};

/// One process that serves all nodes, or a DNS server.
struct PartStatus {
  std::string name;
  std::string detail;   ///< who leads, where it answers
  std::string problem;  ///< "": it is well
};

struct StatusReport {
  std::vector<NodeStatus> nodes;
  PartStatus controller;
  std::vector<PartStatus> dns;
  GatewayCount gateways;
  /// One line for each thing that is not well.
  std::vector<std::string> problems() const;
};

/// A map that is fuller is worth a word.
inline constexpr double kFull = 0.8;

struct StatusOptions {
  std::string
      cluster;  ///< that `weft up` made, on this machine; "": another one, whose kernels are elsewhere
  std::chrono::milliseconds patience{2000};
};

/// Fails when the API or, on this machine, the kernel may not be asked.
asio::awaitable<Expected<StatusReport>> read_status(kube::Client& client, StatusOptions options);

}  // namespace weft::cmd
