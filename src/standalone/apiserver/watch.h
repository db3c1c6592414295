#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "standalone/apiserver/http_server.h"
#include "standalone/apiserver/representation.h"
#include "standalone/apiserver/selection.h"

namespace weft::standalone {

/// What a watch is asked for.
struct WatchRequest {
  ServedKindPtr kind;
  std::string ns;
  Selection selection;
  Representation representation;
  uint64_t from = 0;          ///< events after this version
  bool send_current = false;  ///< first ADDED for all that is there, in place of `from`
  bool bookmarks = false;
  bool mark_initial_end = false;  ///< a bookmark says where the current state ends (KEP-3157)
  std::chrono::seconds timeout{};

  /// From the query of a watch. Fails before anything is sent: a version that is no number, gone, or in the
  /// future.
  static ApiResult<WatchRequest> parse(const ServedKindPtr& kind, const std::string& ns,
                                       const ApiRequest& request, const Store& store);
};

/// Sends events until the client goes or the time is over. It keeps no queue of its own: it reads on in the
/// store's history from where it is, so that a client that does not read costs nothing, and when history has
/// gone past it is told 410 and starts anew. Events are merged into large writes when there are many.
boost::asio::awaitable<void> serve_watch(boost::asio::io_context& io, Store& store, WatchRequest request,
                                         BodyStream& body);

/// ?resourceVersion= as a number; 0 for "" and "0".
ApiResult<uint64_t> parse_version(const std::string& text);

}  // namespace weft::standalone
