#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "podnet/cni.h"

namespace weft::podnet {

/// The agent's CNI socket: HTTP/1.1 on a unix socket that only root may use, a POST of a request (see
/// to_json(CniRequest)) answered with a result (200) or an error (500), both as CNI has them. A request is
/// limited to 64 KiB and 5 s.
class CniServer {
 public:
  using Handler = std::function<CniResult<json::object>(const CniRequest&)>;
  /// `handler` is called on the event loop, one call at a time. Takes over the path from a server that has
  /// gone.
  static Expected<std::unique_ptr<CniServer>> listen(boost::asio::io_context& io, const std::string& path,
                                                     Handler handler);
  ~CniServer();
  CniServer(const CniServer&) = delete;
  CniServer& operator=(const CniServer&) = delete;

 private:
  struct Impl;
  explicit CniServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::podnet
