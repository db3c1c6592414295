#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "standalone/apiserver/http_server.h"
#include "standalone/apiserver/pod_runtime.h"
#include "standalone/apiserver/registry.h"
#include "standalone/apiserver/store.h"
#include "standalone/apiserver/target.h"

namespace weft::standalone {

/// GET pods/NAME/log with the options of PodLogOptions: container, previous, follow, tailLines, sinceSeconds,
/// sinceTime, timestamps, limitBytes. Following ends with the container. `refusal` as in ApiHandler::stream.
boost::asio::awaitable<void> serve_pod_log(boost::asio::io_context& io, const Store& store,
                                           PodRuntime& runtime, const ApiRequest& request,
                                           const Target& target, BodyStream& body,
                                           std::optional<ApiResponse>& refusal);

/// The container a request is about: the one it names, else the pod's only one, or the one that annotation
/// kubectl.kubernetes.io/default-container names. bad_request when that leaves a choice.
ApiResult<std::string> choose_container(const json::value& pod, const std::string& asked);

}  // namespace weft::standalone
