#pragma once

#include "gateway/proxy/stream.h"
#include "gateway/proxy/upstream.h"

namespace weft::gateway {

class Worker;

/// A copy of a request on its way to a backend whose answer nobody waits for. A backend that takes the copy
/// more slowly than the real one takes the request loses it.
class Mirroring final : public ClientStreamEvents, private TimerOwner {
 public:
  Mirroring(Worker& worker, UpstreamHost& host) : worker_(worker), host_(host) {}
  void start(const RequestHead& head, Body body, bool end);
  void send_body(std::string_view data, bool end);
  void send_trailers(const Fields& trailers);
  /// The request is over, or not to be mirrored any more: the caller forgets about this object.
  void release(bool whole);

  size_t slot = 0;  ///< its worker's

  Arena& arena() override { return arena_; }
  ResponseHead& response() override { return response_; }
  void on_connected() override {}
  void on_informational() override {}
  void on_response(Body, bool end) override;
  void on_body(std::string_view, bool end) override;
  void on_trailers(const Fields&) override;
  void on_writable() override {}
  void on_reset(Reset why) override;

 private:
  void on_timer(Timer&) override { abort(Reset::timeout); }
  void over(bool failed);
  void abort(Reset why);

  Worker& worker_;
  UpstreamHost& host_;
  ClientStream* stream_ = nullptr;  ///< null when it is over
  Arena arena_;
  ResponseHead response_;
  Timer timer_{*this};
  bool released_ = false;
};

}  // namespace weft::gateway
