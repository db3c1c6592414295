#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "kube/container.h"
#include "standalone/sandbox/exec.h"

/// What probes and lifecycle hooks do: one HTTP GET, TCP connection, command or gRPC health check.
namespace weft::standalone::sandbox {

struct ActionResult {
  bool success = false;
  std::string message;  ///< why not, or the output
};

/// Whom an action is for.
struct ActionTarget {
  std::string netns;    ///< path of the node's namespace, where connections come from; "": this one
  std::string address;  ///< the pod's
  std::shared_ptr<const ExecTarget> container;
  std::vector<kube::ContainerPort> ports;  ///< for ports given by name
};

using ActionTime = std::chrono::milliseconds;
boost::asio::awaitable<ActionResult> run_http_get(const kube::HTTPGetAction& get, const ActionTarget& target,
                                                  ActionTime timeout);
boost::asio::awaitable<ActionResult> run_tcp_connect(const kube::TCPSocketAction& tcp,
                                                     const ActionTarget& target, ActionTime timeout);
boost::asio::awaitable<ActionResult> run_command(const kube::ExecAction& exec, const ActionTarget& target,
                                                 ActionTime timeout);
boost::asio::awaitable<ActionResult> run_grpc_health(const kube::GRPCAction& grpc, const ActionTarget& target,
                                                     ActionTime timeout);

boost::asio::awaitable<ActionResult> run_probe(const kube::Probe& probe, const ActionTarget& target);
boost::asio::awaitable<ActionResult> run_hook(const kube::LifecycleHandler& hook, const ActionTarget& target,
                                              ActionTime timeout);

/// The status code of an HTTP/1.x answer, from its first line; nothing while that line is not complete, 0
/// when it is no HTTP.
std::optional<int> http_status(std::string_view answer);
/// The request of an HTTP probe, byte for byte. `authority`: address and port for the Host header.
std::string http_request(const kube::HTTPGetAction& get, const std::string& authority);

}  // namespace weft::standalone::sandbox
