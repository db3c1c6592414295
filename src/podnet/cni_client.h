#pragma once

#include <chrono>
#include <string>

#include "podnet/cni.h"

namespace weft::podnet {

/// Asks an agent over its CNI socket; blocks until the answer is there. kTryAgain when there is no agent, or
/// none that answers in time.
CniResult<json::object> call_agent(const std::string& socket, const CniRequest& request,
                                   std::chrono::milliseconds timeout = std::chrono::seconds(10));

/// The addresses in a result of ADD.
std::vector<std::string> addresses_in(const json::object& result);

}  // namespace weft::podnet
