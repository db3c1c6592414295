#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/health.h"
#include "base/ip.h"
#include "dns/name.h"
#include "dns/socket.h"

namespace weft::dns {

/// Follows whether a DNS server answers for its cluster: asks it again and again, over one TCP connection
/// that is kept, for the name of an address (PTR). The kernel closes that connection the moment the process
/// ends, so a death is known at once, and a server that stands still, has nothing to answer with (SERVFAIL)
/// or says that it ends (lame duck, a Weft server) soon. One that was down is up only when it has answered
/// for a while, longer the more often it fell. All on the io_context's thread.
class Liveness {
 public:
  struct Options {
    std::chrono::milliseconds period{100};    ///< between questions
    std::chrono::milliseconds patience{400};  ///< with an answer; counted in periods that this side was awake
    std::chrono::milliseconds settle{500};    ///< for which one that was down must answer, at first
    std::chrono::milliseconds settle_max{
        30'000};  ///< twice as long each time it falls within this of coming up
  };
  /// `why`: what is wrong with it; empty when it is up. Called for the first verdict and for each change,
  /// never from the constructor.
  using OnChange = std::function<void(Health health, const std::string& why)>;

  /// `asked`: an address whose name the server knows without asking anybody, its cluster address say.
  Liveness(boost::asio::io_context& io, const SocketAddress& server, const IpAddr& asked, OnChange on_change,
           Options options);
  Liveness(boost::asio::io_context& io, const SocketAddress& server, const IpAddr& asked, OnChange on_change)
      : Liveness(io, server, asked, std::move(on_change), Options{}) {}
  ~Liveness();
  Liveness(const Liveness&) = delete;
  Liveness& operator=(const Liveness&) = delete;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

/// The name that has an address's PTR records (RFC 1035, 3.5; RFC 3596, 2.5).
Name reverse_name(const IpAddr& ip);

}  // namespace weft::dns
