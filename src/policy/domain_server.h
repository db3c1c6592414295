#pragma once

#include <sys/types.h>

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/domain_messages.h"
#include "base/error.h"

namespace weft::policy {

/// The agent's end of base/domain_messages.h: a unix socket that one user, and root, may use. All on one
/// event loop.
class DomainServer {
 public:
  struct Options {
    std::string socket;
    uid_t user = 0;  ///< as whom DNS servers run
    /// An answer; `in_force` is to be called when its addresses are, now or later.
    std::function<void(const domain_feed::Answer& answer, std::function<void()> in_force)> on_answer;
    /// What one server says of itself, each time, which counts for kServingFor, also when it goes; nothing:
    /// it is to count no more, or policies ask for names of its zone. Of several one is heard, until then,
    /// until it goes or until it was silent for kServingFor. False: it is none for this node, and another one
    /// may be heard.
    std::function<bool(const domain_feed::Serving* server)> on_serving = [](auto) { return false; };
  };
  /// Takes over the path from a server that has gone.
  static Expected<std::unique_ptr<DomainServer>> listen(boost::asio::io_context& io, Options options);
  ~DomainServer();
  DomainServer(const DomainServer&) = delete;
  DomainServer& operator=(const DomainServer&) = delete;

  /// Names and patterns that policies ask for, all of them. Until the first call servers keep to what an
  /// earlier agent has told them.
  void ask_for(std::vector<std::string> patterns);

 private:
  struct Impl;
  explicit DomainServer(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace weft::policy
