#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <optional>
#include <vector>

#include "cmd/progress.h"
#include "kube/yaml.h"
#include "standalone/cluster.h"

namespace weft::cmd {

/// Waits until the nodes of a cluster that comes up are there, applies manifests and waits until their pods
/// are Ready. `patience`: how long for that at most, else a timeout that says what is missing; without: for
/// ever.
boost::asio::awaitable<Expected<void>> bring_objects(
    standalone::Cluster& cluster, const std::vector<kube::YamlDocument>& manifests, ProgressReport& report,
    std::optional<std::chrono::steady_clock::duration> patience = {});

}  // namespace weft::cmd
