#include "gateway/proxy/exchange.h"

#include <algorithm>

#include "gateway/proxy/mirroring.h"
#include "gateway/route/cors.h"
#include "gateway/route/failure.h"
#include "gateway/route/filters.h"

namespace weft::gateway {

namespace {

/// How much of a body is kept for another try.
constexpr size_t kReplay = size_t{64} << 10;
/// Tries after which nothing had reached a backend cost nobody anything; the next endpoint gets the request.
constexpr uint32_t kOwnRetries = 3;
constexpr uint16_t kClientLeft = 499;

}  // namespace

Exchange::Exchange() = default;
Exchange::~Exchange() = default;

void Exchange::begin(Session& session, ServerStream& client) {
  session_ = &session;
  worker_ = &session.worker();
  view_ = session.view();
  client_ = &client;
  started_ = worker_->loop().now();
  counters_ = &worker_->nobody();
  counters_->active.add(1);
}

void Exchange::clear() {
  request_ = RequestHead{.fields = std::move(request_.fields)};
  request_.fields.clear();
  response_ = ResponseHead{.fields = std::move(response_.fields)};
  response_.fields.clear();
  arena_.clear();
  replay_.clear();
  tried_.clear();
  view_.reset();
  port_ = nullptr;
  listener_ = nullptr;
  found_ = {};
  share_ = nullptr;
  endpoint_.port = 0;
  original_authority_ = original_path_ = {};
  bytes_in_ = bytes_out_ = 0;
  retries_ = own_retries_ = 0;
  flag_ = Flag::none;
  request_ended_ = replayable_ = answering_ = tunnel_ = backend_ended_ = false;
}

// The client's side.

void Exchange::on_body(std::string_view data, bool end) {
  bytes_in_ += data.size();
  request_ended_ = end;
  for (Mirroring* mirror : mirrors_) mirror->send_body(data, end);
  if (replayable_ && !tunnel_) {
    replayable_ = replay_.size() + data.size() <= kReplay;
    if (replayable_)
      replay_.append(data);
    else
      replay_.clear();
  }
  if (!backend_) return;
  if (!backend_->send_body(data, end) && client_) client_->pause(true);
  if (tunnel_ && end && backend_ended_) {
    client_ = nullptr;
    end_try(false);
    finish(101);
  }
}

void Exchange::on_trailers(const Fields& trailers) {
  request_ended_ = true;
  replayable_ = false;  // trailers are not kept
  for (Mirroring* mirror : mirrors_) mirror->send_trailers(trailers);
  if (backend_) backend_->send_trailers(trailers);
}

void Exchange::on_writable() {
  if (backend_) backend_->pause(false);
}

void Exchange::on_reset(Reset why) {
  client_ = nullptr;
  if (backend_) abort_try(Reset::cancelled, false);
  uint16_t status = kClientLeft;
  if (why == Reset::timeout) {
    flag_ = Flag::client_timeout;
    status = 408;
  } else if (why == Reset::protocol_error) {
    flag_ = Flag::bad_request;
    status = 400;
  } else if (tunnel_) {
    status = 101;
  } else {
    flag_ = Flag::client_left;
  }
  finish(status);
}

void Exchange::on_timer(Timer& timer) {
  if (&timer == &backoff_timer_) return connect();
  bool of_try = &timer == &try_timer_;
  if (backend_) abort_try(Reset::timeout, of_try);
  if (of_try && try_again(0, Reset::timeout)) return;
  if (of_try) return fail(504, Flag::backend_timeout, "the backend did not answer in time");
  fail(504, Flag::timeout, "the request took too long");
}

// The backend's side.

void Exchange::connect() {
  Upstream* upstream = worker_->upstreams().find(share_->backend);
  if (!upstream) {
    bool gone = view_ != worker_->view();  // since the request's snapshot
    return fail(gone ? 503 : 500, Flag::no_backend, "the backend does not exist");
  }
  if (upstream->is_broken())
    return fail(502, Flag::no_backend, "TLS to the backend cannot be set up as asked");
  host_ = upstream->pick(tried_, worker_->random());
  if (!host_ && !tried_.empty()) {
    tried_.clear();
    host_ = upstream->pick(tried_, worker_->random());
  }
  if (!host_) return fail(503, Flag::no_endpoint, "the backend has no endpoint");
  tried_.push_back(host_);
  if (worker_->logs()) endpoint_ = host_->endpoint();
  backend_ = &host_->open(backward_, !is_idempotent());
  const Rule& rule = *found_.rule->rule;
  if (rule.backend_timeout > 0) worker_->loop().set_timer(try_timer_, rule.backend_timeout);
  send_request();
}

void Exchange::send_request() {
  if (!request_ended_) client_->pause(!backend_->connected());
  bool has_replay = !replay_.empty();
  backend_->send_head(request_, body_, request_ended_ && !has_replay);
  if (has_replay && backend_) backend_->send_body(replay_.view(), request_ended_);
}

bool Exchange::is_idempotent() const {
  std::string_view method = request_.method;
  return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "PUT" ||
         method == "DELETE" || method == "TRACE";
}

bool Exchange::try_again(uint16_t status, Reset why) {
  if (!can_resend()) return false;
  bool untouched = status == 0 && (why == Reset::connect_failed || why == Reset::refused ||
                                   (why == Reset::closed_unused && is_idempotent()));
  if (untouched && own_retries_ < kOwnRetries) {
    Upstream* upstream = worker_->upstreams().find(share_->backend);
    bool other = upstream && upstream->pick(tried_, worker_->random());
    if (other || why != Reset::connect_failed) {
      ++own_retries_;
      connect();
      return true;
    }
  }
  const std::optional<Retry>& retry = found_.rule->rule->retry;
  auto wait = retry ? try_again_after(*retry, retries_, status, worker_->random()()) : std::nullopt;
  if (!wait) return false;
  ++retries_;
  if (backend_) abort_try(Reset::cancelled, false);
  if (!request_ended_) client_->pause(true);
  worker_->loop().set_timer(backoff_timer_, *wait);
  return true;
}

void Exchange::end_try(bool failed) {
  try_timer_.clear();
  backend_ = nullptr;
  std::exchange(host_, nullptr)->release(failed);
}

void Exchange::abort_try(Reset why, bool failed) {
  ClientStream* stream = std::exchange(backend_, nullptr);
  stream->reset(why);
  end_try(failed);
}

void Exchange::backend_connected() {
  if (!request_ended_) client_->pause(false);
}

void Exchange::backend_answered(Body body, bool end) {
  if (end) end_try(false);
  const Rule& rule = *found_.rule->rule;
  bool retries =
      rule.retry && std::ranges::find(rule.retry->codes, response_.status) != rule.retry->codes.end();
  if (retries && try_again(response_.status, Reset::closed)) return;
  if (response_.status == 101) {
    tunnel_ = true;
    request_ended_ = false;
    request_timer_.clear();
    try_timer_.clear();
  }
  if (!share_->filters.response.empty()) edit(share_->filters.response, response_, arena_);
  if (!rule.filters.response.empty()) edit(rule.filters.response, response_, arena_);
  if (rule.filters.cors) allow_response(*rule.filters.cors, request_, response_, arena_);
  answer(body, end);
}

void Exchange::backend_body(std::string_view data, bool end) {
  bytes_out_ += data.size();
  if (tunnel_) {
    backend_ended_ = end;
    bool over = end && request_ended_;
    ServerStream* client = client_;
    if (over) {
      client_ = nullptr;
      end_try(false);
    }
    if (!client->send_body(data, end) && backend_) backend_->pause(true);
    if (over) finish(101);
    return;
  }
  if (end) end_try(false);
  bool more = client_->send_body(data, end);
  if (end) {
    client_ = nullptr;
    return finish(response_.status);
  }
  if (!more && backend_) backend_->pause(true);
}

void Exchange::backend_trailers(const Fields& trailers) {
  end_try(false);
  client_->send_trailers(trailers);
  client_ = nullptr;
  finish(response_.status);
}

void Exchange::backend_writable() {
  if (!request_ended_) client_->pause(false);
}

void Exchange::backend_reset(Reset why) {
  backend_ = nullptr;
  end_try(why != Reset::closed_unused && why != Reset::refused && why != Reset::cancelled);
  if (try_again(0, why)) return;
  if (why == Reset::connect_failed) return fail(503, Flag::connect_failed, "no connection to the backend");
  if (why == Reset::tls_failed) return fail(502, Flag::backend_tls, "TLS with the backend failed");
  fail(502, Flag::backend_closed, "the backend ended the connection without a whole answer");
}

// Answers.

void Exchange::answer(Body body, bool end) {
  answering_ = true;
  bool more = client_->send_head(response_, body, end);
  if (end) {
    client_ = nullptr;
    return finish(response_.status);
  }
  if (!more && backend_) backend_->pause(true);
}

void Exchange::fail(uint16_t status, Flag why, std::string_view message) {
  flag_ = why;
  if (answering_) {
    std::exchange(client_, nullptr)->reset(Reset::closed);
    return finish(0);
  }
  response_.fields.clear();
  response_.upgrade = {};
  bool grpc = found_.rule ? found_.rule->rule->grpc : is_grpc(request_);
  if (grpc) {
    answer_grpc(status, message, response_, arena_);
    return answer({}, true);
  }
  response_.status = status;
  response_.fields.add("content-type", "text/plain; charset=utf-8");
  if (request_.method == "HEAD") return answer({BodyKind::length, message.size() + 1}, true);
  answering_ = true;
  client_->send_head(response_, {BodyKind::length, message.size() + 1}, false);
  client_->send_body(message, false);
  client_->send_body("\n", true);
  client_ = nullptr;
  bytes_out_ += message.size() + 1;
  finish(status);
}

void Exchange::finish(uint16_t status) {
  request_timer_.clear();
  try_timer_.clear();
  backoff_timer_.clear();
  for (Mirroring* mirror : mirrors_) mirror->release(request_ended_);
  mirrors_.clear();
  uint64_t duration = worker_->loop().now() - started_;
  size_t kind = status / 100;
  counters_->active.sub(1);
  counters_->requests[kind < counters_->requests.size() ? kind : 0].add(1);
  counters_
      ->durations[static_cast<size_t>(std::ranges::lower_bound(kDurationBounds, duration) -
                                      kDurationBounds.begin())]
      .add(1);
  counters_->duration_ms.add(duration);
  counters_->bytes_in.add(bytes_in_);
  counters_->bytes_out.add(bytes_out_);
  counters_->count(flag_);
  if (worker_->logs()) log(status);
  worker_->give_back(*this);
}

void Exchange::log(uint16_t status) {
  AccessEntry entry;
  entry.time_ms = wall_clock_ms();
  entry.client = session_->peer();
  entry.method = request_.method;
  entry.authority = original_authority_;
  entry.path = original_path_;
  if (port_) entry.gateway = port_->config().gateway;
  if (listener_) entry.listener = listener_->config().why.section;
  if (found_.rule) entry.route = &found_.rule->rule->why;
  if (endpoint_.port != 0) entry.backend = &endpoint_;
  entry.status = status;
  entry.bytes_in = bytes_in_;
  entry.bytes_out = bytes_out_;
  entry.duration_ms = worker_->loop().now() - started_;
  entry.flag = flag_;
  worker_->log(entry);
}

}  // namespace weft::gateway
