#pragma once

#include <memory>

#include "base/fd.h"
#include "gateway/http/client_hello.h"
#include "gateway/proxy/loop.h"

namespace weft::gateway {

/// Waits for what a new TCP connection says first, without taking it: the bytes stay in the socket for
/// whoever is to get them, a backend or our own TLS.
class HelloReader final : private Pollable, private TimerOwner {
 public:
  class Owner {
   public:
    /// The socket is the owner's again; `reader` is to be given to Loop::dispose. A hello that is not `read`
    /// (also: the client left, or took longer than kPatience) means that there is nobody to talk to.
    virtual void on_hello(HelloReader& reader, Fd socket, ClientHello hello) = 0;

   protected:
    ~Owner() = default;
  };
  static constexpr uint64_t kPatience = 10'000;  ///< ms

  /// `socket` does not block.
  HelloReader(Loop& loop, Fd socket, Owner& owner);
  HelloReader(const HelloReader&) = delete;
  HelloReader& operator=(const HelloReader&) = delete;
  ~HelloReader() = default;

  /// Tells the owner now, if all is there already, or later.
  void start();

  size_t slot = 0;  ///< its owner's

 private:
  void on_events(uint32_t events) override;
  void on_timer(Timer& timer) override;
  void look();
  void done(ClientHello hello);

  Loop& loop_;
  Fd socket_;
  Owner& owner_;
  Timer timer_{*this};
};

}  // namespace weft::gateway
