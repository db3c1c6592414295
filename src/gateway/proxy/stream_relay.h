#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "gateway/config/config.h"
#include "gateway/proxy/connection.h"
#include "gateway/proxy/stream_record.h"

namespace weft::gateway {

/// Passes bytes between a client's connection and a backend's, both ways, until both have ended: TCP routes,
/// TLS passed through, and TLS that is terminated. What one side does not take stays unread on the other.
class StreamRelay final : private TimerOwner {
 public:
  class Owner {
   public:
    /// Both connections have ended; `relay` is to be given to Loop::dispose.
    virtual void on_relay_done(StreamRelay& relay) = 0;

   protected:
    ~Owner() = default;
  };
  using TlsMaker = std::function<SslPtr()>;
  static constexpr uint64_t kConnectTime = 3'000;   ///< ms, of each endpoint
  static constexpr uint64_t kIdleTime = 3'600'000;  ///< ms without a byte in either direction

  /// `client_tls`, in accept state, terminates the client's TLS; null: its bytes are passed on as they are.
  /// `targets` are tried in order. `backend_tls` makes the TLS for each try; empty: none. `record` has begun.
  StreamRelay(Loop& loop, Fd client, SslPtr client_tls, std::vector<Endpoint> targets, TlsMaker backend_tls,
              StreamRecord record, Owner& owner);
  ~StreamRelay() = default;

  void start();
  /// Ends both connections now; `why`: before their time.
  void close(Flag why);
  StreamRecord& record() { return record_; }

  size_t slot = 0;  ///< its owner's

 private:
  struct Side final : Connection::Events {
    Side(StreamRelay& of, bool is_client) : relay(of), client(is_client) {}
    void on_open() override { relay.opened(*this); }
    void on_open_failed(Reset why) override { relay.open_failed(*this, why); }
    void on_readable() override { relay.pump(*this); }
    void on_drained() override { relay.drained(*this); }

    StreamRelay& relay;
    const bool client;
    std::unique_ptr<Connection> connection;
    bool ended = false;  ///< it writes no more
    bool full = false;   ///< takes nothing for now
  };

  void on_timer(Timer& timer) override;
  Side& other(const Side& side) { return side.client ? backend_ : client_; }
  void opened(Side& side);
  void open_failed(const Side& side, Reset why);
  /// `why` the one before failed.
  void try_next(Flag why);
  static Flag broken(const Side& side) { return side.client ? Flag::client_left : Flag::backend_closed; }
  /// From this side to the other.
  void pump(Side& from);
  void drained(Side& to);
  void ended(Side& from);

  Loop& loop_;
  Fd accepted_;
  SslPtr client_tls_;
  std::vector<Endpoint> targets_;
  size_t tried_ = 0;
  TlsMaker backend_tls_;
  StreamRecord record_;
  Owner& owner_;
  Side client_{*this, true};
  Side backend_{*this, false};
  Timer timer_{*this};
  bool done_ = false;
};

}  // namespace weft::gateway
