#pragma once

#include <map>
#include <string>
#include <vector>

#include "kube/client/client.h"

namespace weft::cmd {

/// The Gateways that are ours, by their statuses.
struct GatewayCount {
  size_t all = 0;
  size_t programmed = 0;
  std::vector<std::string> problems;  ///< a line for each that is not programmed
};
/// A cluster without Gateway API has none.
asio::awaitable<Expected<GatewayCount>> read_gateways(kube::Client& client);

/// Nodes whose proxies keep a Lease, with what is wrong; "": it serves.
asio::awaitable<Expected<std::map<std::string, std::string>>> read_proxies(kube::Client& client);

}  // namespace weft::cmd
