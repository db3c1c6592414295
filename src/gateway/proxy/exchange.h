#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "gateway/proxy/flag.h"
#include "gateway/proxy/session.h"
#include "gateway/proxy/stats.h"
#include "gateway/proxy/stream.h"
#include "gateway/proxy/upstream.h"
#include "gateway/proxy/worker.h"
#include "gateway/route/router.h"

namespace weft::gateway {

class Mirroring;

/// A request and its answer: which rule takes it, what the rule's filters do to it, to which endpoint it
/// goes, what is done when that fails. Used again for another one when it is over (clear()).
class Exchange final : public ServerStreamEvents, private TimerOwner {
 public:
  Exchange();
  ~Exchange();
  void begin(Session& session, ServerStream& client);
  void clear();

  Arena& arena() override { return arena_; }
  RequestHead& request() override { return request_; }
  void on_request(Body body, bool end) override;
  void on_body(std::string_view data, bool end) override;
  void on_trailers(const Fields& trailers) override;
  void on_writable() override;
  void on_reset(Reset why) override;

  size_t slot = 0;  ///< its worker's

 private:
  /// The backend's side.
  struct Backward final : ClientStreamEvents {
    explicit Backward(Exchange& of) : exchange(of) {}
    Arena& arena() override { return exchange.arena_; }
    ResponseHead& response() override { return exchange.response_; }
    void on_connected() override { exchange.backend_connected(); }
    void on_informational() override { exchange.client_->send_informational(exchange.response_); }
    void on_response(Body body, bool end) override { exchange.backend_answered(body, end); }
    void on_body(std::string_view data, bool end) override { exchange.backend_body(data, end); }
    void on_trailers(const Fields& trailers) override { exchange.backend_trailers(trailers); }
    void on_writable() override { exchange.backend_writable(); }
    void on_reset(Reset why) override { exchange.backend_reset(why); }
    Exchange& exchange;
  };
  void on_timer(Timer& timer) override;

  // exchange_route.cpp: until there is a backend.
  void route();
  bool find_rule();
  bool answered_by_filters(const Filters& filters);
  void edit_request(const Filters& filters);
  void forward();
  void add_forwarded();
  void start_mirrors(size_t share);

  // exchange.cpp: with a backend.
  void connect();
  void send_request();
  bool is_idempotent() const;
  bool can_resend() const { return !answering_ && (replayable_ || bytes_in_ == 0); }
  /// Whether there will be another try, after an answer with `status` or (0) after none came because of
  /// `why`.
  bool try_again(uint16_t status, Reset why);
  /// The backend's stream is over.
  void end_try(bool failed);
  /// Ends it if it is not.
  void abort_try(Reset why, bool failed);
  void backend_connected();
  void backend_answered(Body body, bool end);
  void backend_body(std::string_view data, bool end);
  void backend_trailers(const Fields& trailers);
  void backend_writable();
  void backend_reset(Reset why);
  /// Sends response_ to the client.
  void answer(Body body, bool end);
  /// An answer of the proxy's own, with a line of text.
  void fail(uint16_t status, Flag why, std::string_view message);
  void finish(uint16_t status);
  void log(uint16_t status);

  Arena arena_;
  RequestHead request_;
  ResponseHead response_;
  Session* session_ = nullptr;
  Worker* worker_ = nullptr;
  std::shared_ptr<const View> view_;
  ServerStream* client_ = nullptr;   ///< null when that stream is over
  ClientStream* backend_ = nullptr;  ///< null when there is none, or it is over
  Backward backward_{*this};
  const CompiledPort* port_ = nullptr;
  const CompiledListener* listener_ = nullptr;
  Candidate found_;
  const WeightedBackend* share_ = nullptr;
  UpstreamHost* host_ = nullptr;  ///< of the try under way
  std::vector<UpstreamHost*> tried_;
  std::vector<Mirroring*> mirrors_;  ///< the worker's
  ListenerCounters* counters_ = nullptr;
  Endpoint endpoint_;  ///< of the last try, for the log
  Body body_;
  Buffer replay_;  ///< what has come of the body, as long as it may have to be sent once more
  std::string_view original_authority_, original_path_;
  uint64_t started_ = 0;
  uint64_t bytes_in_ = 0, bytes_out_ = 0;
  uint32_t retries_ = 0;      ///< that the rule asked for
  uint32_t own_retries_ = 0;  ///< after which nothing had reached a backend
  Timer request_timer_{*this}, try_timer_{*this}, backoff_timer_{*this};
  Flag flag_ = Flag::none;
  bool request_ended_ = false;
  bool replayable_ = false;
  bool answering_ = false;  ///< a head has gone to the client
  bool tunnel_ = false;
  bool backend_ended_ = false;  ///< of a tunnel
};

}  // namespace weft::gateway
