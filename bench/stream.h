#pragma once

/// TCP connections that carry as much as they can.

#include "service_load.h"

namespace weft::bench {

constexpr size_t kStreamBlock = 1 << 17;

/// Reads all that comes, until it is killed.
inline int drain_forever(int port, int ready) {
  Fd listener(socket(AF_INET, SOCK_STREAM, 0));
  auto any = address("0.0.0.0", port);
  require(bind(listener.get(), reinterpret_cast<sockaddr*>(&any), sizeof(any)) == 0, "bind");
  require(listen(listener.get(), 16) == 0 && write(ready, "x", 1) == 1, "listen");
  std::vector<char> block(kStreamBlock);
  for (;;) {
    Fd connection(accept(listener.get(), nullptr, nullptr));
    while (read(connection.get(), block.data(), block.size()) > 0) {
    }
  }
}

inline Child start_drain(World& world, int netns, int port) {
  int ends[2];
  require(pipe2(ends, O_CLOEXEC) == 0, "pipe");
  Child child = world.spawn([&] { return drain_forever(port, ends[1]); }, false, netns);
  close(ends[1]);
  char byte;
  require(read(ends[0], &byte, 1) == 1, "server did not start");
  close(ends[0]);
  return child;
}

/// A process that makes a connection and sends by it when told to. A connection for each turn: what one has
/// learnt of its path, and where its memory is, decides more than what is to be measured.
class Stream {
 public:
  Stream(World& world, int netns, const sockaddr_in& target) {
    int down[2], up[2];
    require(pipe2(down, O_CLOEXEC) == 0 && pipe2(up, O_CLOEXEC) == 0, "pipe");
    tell_.reset(down[1]);
    hear_.reset(up[0]);
    child_ = world.spawn(
        [&] {
          tell_.reset();
          return serve(target, down[0], up[1]);
        },
        false, netns);
    close(down[0]);
    close(up[1]);
  }

  /// Megabytes a second.
  double run(int milliseconds) {
    double rate = 0;
    require(write(tell_.get(), &milliseconds, sizeof(milliseconds)) == sizeof(milliseconds) &&
                read(hear_.get(), &rate, sizeof(rate)) == sizeof(rate),
            "stream");
    return rate;
  }

 private:
  static int serve(const sockaddr_in& target, int orders, int results) {
    std::vector<char> block(kStreamBlock);
    int milliseconds;
    while (read(orders, &milliseconds, sizeof(milliseconds)) == sizeof(milliseconds)) {
      Fd connection(socket(AF_INET, SOCK_STREAM, 0));
      require(connect(connection.get(), reinterpret_cast<const sockaddr*>(&target), sizeof(target)) == 0,
              "connect");
      double sent = 0;
      auto start = Clock::now();
      auto end = start + std::chrono::milliseconds(milliseconds);
      while (Clock::now() < end) {
        auto n = write(connection.get(), block.data(), block.size());
        require(n > 0, "write");
        sent += static_cast<double>(n);
      }
      double rate = sent / 1e6 / std::chrono::duration<double>(Clock::now() - start).count();
      // What is still on its way would be the next one's.
      char byte;
      require(shutdown(connection.get(), SHUT_WR) == 0 && read(connection.get(), &byte, 1) == 0, "end");
      if (write(results, &rate, sizeof(rate)) != sizeof(rate)) return 1;
    }
    return 0;
  }

  Child child_;
  Fd tell_, hear_;
};

}  // namespace weft::bench
