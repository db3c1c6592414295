#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "gateway/config/config.h"
#include "gateway/proxy/access_log.h"
#include "gateway/proxy/stats.h"
#include "gateway/route/router.h"

namespace weft::gateway {

/// A connection that is passed on byte by byte, or a client's datagrams on a UDP port: what is counted while
/// it goes on, and logged when it is over. Between begin() and end() it is an active one of its listener.
class StreamRecord {
 public:
  /// `listener` and `route` belong to `port`, which may be null: it has gone.
  struct About {
    std::shared_ptr<const CompiledPort> port;
    const Listener* listener = nullptr;  ///< none takes it
    const StreamRoute* route = nullptr;  ///< no route takes it
    Protocol protocol = Protocol::tcp;
    IpAddr client;
    std::string server_name;
  };

  /// `counters` outlives it.
  void begin(About about, ListenerCounters& counters, uint64_t now);
  void end(uint64_t now);

  void received(uint64_t bytes) {
    bytes_in_ += bytes;
    counters_->stream_bytes_in.add(bytes);
  }
  void sent(uint64_t bytes) {
    bytes_out_ += bytes;
    counters_->stream_bytes_out.add(bytes);
  }
  void tries(const Endpoint& endpoint) { endpoint_ = endpoint; }
  void fails(Flag why) { flag_ = why; }
  Flag flag() const { return flag_; }

  /// After end(). Lives as long as the record.
  AccessEntry entry() const;

 private:
  About about_;
  ListenerCounters* counters_ = nullptr;
  std::string client_;
  Endpoint endpoint_;  ///< the last that was tried; port 0: none
  uint64_t started_ = 0;
  uint64_t duration_ = 0;
  uint64_t bytes_in_ = 0, bytes_out_ = 0;
  Flag flag_ = Flag::none;
};

/// Who writes down what has ended.
class StreamLog {
 public:
  virtual void on_stream_over(const StreamRecord& record) = 0;

 protected:
  ~StreamLog() = default;
};

}  // namespace weft::gateway
