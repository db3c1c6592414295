#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <memory>

#include "base/error.h"
#include "base/fd.h"
#include "base/ip.h"
#include "gateway/proxy/loop.h"

namespace weft::gateway {

/// A socket that listens on all addresses of the node, one of several for the port: the kernel divides
/// connections among them (SO_REUSEPORT).
Expected<Fd> open_listen_socket(uint16_t port);
/// The port that it is bound to.
uint16_t port_of(const Fd& socket);

/// An IPv4 address where it is a mapped one.
IpAddr address_of(const in6_addr& from);

class AcceptHandler {
 public:
  virtual void on_accept(Fd socket, const IpAddr& peer, uint16_t bind_port) = 0;

 protected:
  ~AcceptHandler() = default;
};

class ListenSocket final : private Pollable, private TimerOwner {
 public:
  ListenSocket(Loop& loop, Fd socket, uint16_t bind_port, AcceptHandler& handler);
  ~ListenSocket();
  /// Takes what waits in the kernel, which would be reset when the last descriptor of the socket is closed.
  void accept_all();
  int fd() const { return socket_.get(); }

 private:
  void on_events(uint32_t events) override;
  void on_timer(Timer& timer) override;
  /// False: none waits.
  bool accept_one();

  Loop& loop_;
  Fd socket_;
  uint16_t bind_port_;
  AcceptHandler& handler_;
  Timer timer_{*this};
};

}  // namespace weft::gateway
