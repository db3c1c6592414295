#pragma once

#include <functional>
#include <map>
#include <memory>

#include "dns/config.h"
#include "dns/counters.h"
#include "dns/stored_answer.h"
#include "dns/upstream_context.h"
#include "dns/upstream_tls.h"

namespace weft::dns {

/// Questions to one upstream over one TCP or TLS connection at a time: opened for the first, shared by all
/// (RFC 7766, 6.2.1: pipelined, answers in any order), closed when idle. What a kept connection that the
/// upstream has closed meanwhile takes with it is asked once more over a new one.
class UpstreamStream : Poller::Handler {
 public:
  /// The response with the id and question asked for; empty: there will be none. May destroy the ticket.
  using Done = std::function<void(std::span<const uint8_t>)>;
  /// A question that is under way; destroyed: nobody waits for the answer any more.
  class Ticket {
   public:
    ~Ticket();
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;
    /// The answer took too long: a connection over which nothing has come since is not used again.
    void time_out();

   private:
    friend UpstreamStream;
    Ticket(UpstreamStream& stream, const UpstreamQuestion& question, Done done)
        : stream_(stream), question_(question), done_(std::move(done)) {}

    UpstreamStream& stream_;
    const UpstreamQuestion question_;
    Done done_;
    std::pair<uint32_t, uint16_t> key_{};
    Poller::Clock::time_point asked_{};
    bool again_ = false;  ///< asked for a second time already
  };

  UpstreamStream(UpstreamContext& context, const Upstream& upstream, UpstreamCounters& counters);
  ~UpstreamStream() override;

  /// Null when it cannot be asked; `done` is never called from in here.
  std::unique_ptr<Ticket> ask(const UpstreamQuestion& question, Done done);
  /// Why the last connection ended, if the upstream gave cause.
  const std::string& trouble() const { return trouble_; }

 private:
  void on_ready(uint32_t events) override;
  void forget(const Ticket& ticket);
  bool open();
  bool send(Ticket& ticket);
  bool handshake();
  bool flush();
  /// False when the connection is over.
  bool receive();
  bool take_messages();
  void take(std::span<const uint8_t> message);
  ssize_t read_some(std::span<uint8_t> into);
  ssize_t write_some(std::span<const uint8_t> from);
  void wait_for(uint32_t events);
  void close();
  /// Ends the connection, and with it or by another one all that waits for it.
  void lose();

  UpstreamContext& context_;
  const Upstream upstream_;
  UpstreamCounters& counters_;
  std::unique_ptr<UpstreamTls> tls_;
  Fd fd_;
  std::unique_ptr<SSL, FreeTls> ssl_;
  bool ready_ = false;   ///< connected, and the handshake is over
  bool useful_ = false;  ///< it has answered something
  uint32_t wanted_ = 0, also_wanted_ = 0;
  uint16_t port_ = 0;
  uint32_t generation_ = 0;  ///< counts connections
  std::map<std::pair<uint32_t, uint16_t>, Ticket*> waiting_;
  std::vector<uint8_t> out_, in_;
  Poller::Clock::time_point heard_{};
  std::string trouble_;
  TimerQueue::Timer idle_;
};

}  // namespace weft::dns
