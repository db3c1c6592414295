#include "gateway/proxy/http1_server.h"

#include <algorithm>

#include "gateway/http/http1_writer.h"
#include "gateway/http/path.h"

namespace weft::gateway {

namespace {

/// How much of a request is read for nothing so that its connection can go on.
constexpr size_t kThrownAway = size_t{64} << 10;
/// How much may have come ahead while a request is answered.
constexpr size_t kAhead = Buffer::kSlab;
constexpr uint64_t kLinger = 1000;
/// A client that has been quiet for so long may be left when there is to be an end.
constexpr uint64_t kQuiet = 1000;

}  // namespace

Http1Server::Http1Server(std::unique_ptr<Connection> connection, std::string_view scheme,
                         const ServerLimits& limits, RequestHandler& handler, ServerCodecOwner& owner)
    : connection_(std::move(connection)), scheme_(scheme), limits_(limits), handler_(handler), owner_(owner) {
  connection_->set_events(*this);
}

void Http1Server::start() {
  head_since_ = connection_->loop().now();
  connection_->loop().set_timer(timer_, limits_.head_time);
  on_readable();
}

void Http1Server::drain() {
  draining_ = true;
  if (request_ == Request::head) connection_->loop().set_timer(timer_, kQuiet);
}

// Reading.

bool Http1Server::wants_bytes() const {
  switch (request_) {
    case Request::body:
    case Request::tunnel:
      return !paused_ && !in_ended_;
    case Request::done:
      return in_.size() < kAhead;  // read on, to see whether the client leaves
    case Request::closed:
      return false;
    default:
      return true;
  }
}

void Http1Server::on_readable() {
  if (!in_.empty()) take_waiting();
  while (wants_bytes()) {
    int got;
    if (in_.empty()) {
      std::span<char> scratch = connection_->loop().scratch();
      got = connection_->read(scratch);
      if (got > 0) {
        std::string_view bytes(scratch.data(), static_cast<size_t>(got));
        size_t taken = take(bytes);
        if (request_ != Request::closed) in_.append(bytes.substr(taken));
        continue;
      }
    } else {
      char* to = in_.reserve(kAhead / 4);
      got = connection_->read({to, kAhead / 4});
      if (got > 0) {
        in_.commit(static_cast<size_t>(got));
        take_waiting();
        continue;
      }
    }
    if (got == Connection::kNone) break;
    return peer_ended(got == Connection::kFailed);
  }
}

void Http1Server::take_waiting() { in_.consume(take(in_.view())); }

size_t Http1Server::take(std::string_view bytes) {
  size_t taken = 0;
  while (taken < bytes.size()) {
    std::string_view rest = bytes.substr(taken);
    size_t now = 0;
    switch (request_) {
      case Request::head:
        now = take_head(rest);
        break;
      case Request::body:
        now = paused_ ? 0 : take_body(rest);
        break;
      case Request::rest:
        now = take_rest(rest);
        break;
      case Request::tunnel:
        now = paused_ ? 0 : take_tunnel(rest);
        break;
      case Request::done:
        break;
      case Request::linger:
      case Request::closed:
        return bytes.size();
    }
    if (now == 0) break;
    taken += now;
  }
  return taken;
}

size_t Http1Server::take_head(std::string_view bytes) {
  // An empty line before a request is forgiven (RFC 9112, 2.2).
  if (bytes.starts_with("\r\n")) return 2;
  Loop& loop = connection_->loop();
  size_t size = bytes == "\r" ? 0 : scanner_.scan(bytes, limits_.head);
  if (size == 0) {
    if (scanner_.status() != 0) {
      refuse(scanner_.status());
    } else if (head_since_ == 0) {
      head_since_ = loop.now();
      loop.set_timer(timer_, limits_.head_time);
    }
    return 0;
  }
  scanner_.reset();
  head_since_ = 0;
  answer_ = Answer::none;
  said_ = {};
  closing_ = draining_;
  paused_ = false;
  events_ = &handler_.on_stream(*this);
  RequestHead& head = events_->request();
  Body body;
  uint16_t bad =
      http1::read_request(bytes.substr(0, size), limits_.head, head, events_->arena(), body, said_);
  if (bad == 0 && head.path != "*") {
    auto path = normal_path(head.path, events_->arena());
    if (path) head.path = *path;
    bad = path ? 0 : 400;
  }
  if (bad != 0) {
    std::exchange(events_, nullptr)->on_reset(Reset::protocol_error);
    refuse(bad);
    return size;
  }
  head.scheme = scheme_;
  to_head_ = head.method == "HEAD";
  body_.start(body);
  bool end = body.kind == BodyKind::none || body == Body{BodyKind::length, 0};
  request_ = end ? Request::done : Request::body;
  events_->on_request(body, end);
  if (request_ == Request::body && !paused_) send_continue();
  return size;
}

size_t Http1Server::take_body(std::string_view bytes) {
  said_.expects_continue = false;  // it did not wait
  http1::BodyReader::Step step = body_.read(bytes, limits_.head);
  switch (step.state) {
    case http1::BodyReader::State::more:
      break;
    case http1::BodyReader::State::data: {
      // That the body is over is told with its last bytes where that is known.
      bool end = body_.at_end();
      if (end) request_ = Request::done;
      events_->on_body(step.data, end);
      break;
    }
    case http1::BodyReader::State::end: {
      request_ = Request::done;
      Fields trailers;
      if (body_.trailers().empty()) {
        events_->on_body({}, true);
      } else if (http1::read_trailers(body_.trailers(), limits_.head, trailers, events_->arena())) {
        events_->on_trailers(trailers);
      } else {
        close(Reset::protocol_error);
      }
      break;
    }
    case http1::BodyReader::State::bad:
      if (answer_ == Answer::none) {
        std::exchange(events_, nullptr)->on_reset(Reset::protocol_error);
        refuse(400);
      } else {
        close(Reset::protocol_error);
      }
      break;
  }
  return step.used;
}

size_t Http1Server::take_rest(std::string_view bytes) {
  http1::BodyReader::Step step = body_.read(bytes, limits_.head);
  thrown_away_ += step.used;
  if (step.state == http1::BodyReader::State::bad || thrown_away_ > kThrownAway) {
    linger();
  } else if (step.state == http1::BodyReader::State::end || body_.at_end()) {
    next_request();
  }
  return step.used;
}

size_t Http1Server::take_tunnel(std::string_view bytes) {
  events_->on_body(bytes, false);
  return bytes.size();
}

/// An end alone says that the client sends no more: it may well wait for what it has asked for.
void Http1Server::peer_ended(bool failed) {
  if (failed) return close(request_ == Request::done ? Reset::cancelled : Reset::closed);
  in_ended_ = true;
  switch (request_) {
    case Request::head:
      return in_.empty() ? leave() : refuse(400);
    case Request::body:
      if (answer_ != Answer::none) return close(Reset::closed);
      std::exchange(events_, nullptr)->on_reset(Reset::protocol_error);
      return refuse(400);
    case Request::rest:
      return leave();
    case Request::tunnel:
      return tunnel_ended();
    case Request::linger:
      if (connection_->flushed()) close(Reset::closed);
      return;
    case Request::done:
    case Request::closed:
      return;
  }
}

void Http1Server::tunnel_ended() {
  ServerStreamEvents* events = events_;
  bool over = out_ended_;
  if (over) events_ = nullptr;
  events->on_body({}, true);
  if (over) leave();
}

void Http1Server::refuse(uint16_t status) {
  ResponseHead head;
  head.status = status;
  http1::write_response(head, {BodyKind::length, 0}, http1::Goes::closes, connection_->out());
  connection_->write_later();
  linger();
}

void Http1Server::pause(bool paused) {
  paused_ = paused;
  if (paused) return;
  send_continue();
  connection_->read_later();
}

void Http1Server::send_continue() {
  if (request_ == Request::body && said_.expects_continue && answer_ == Answer::none) {
    said_.expects_continue = false;
    connection_->out().append("HTTP/1.1 100 Continue\r\n\r\n");
    connection_->write_later();
  }
}

// Writing.

void Http1Server::on_drained() {
  if (events_ && (answer_ == Answer::body || answer_ == Answer::tunnel)) events_->on_writable();
}

void Http1Server::send_informational(const ResponseHead& head) {
  if (said_.http10) return;
  http1::write_response(head, {}, http1::Goes::on, connection_->out());
  connection_->write_later();
}

Body Http1Server::framing(const ResponseHead& head, Body body, bool end) const {
  if (head.status < 200 || head.status == 204) return {};
  if (end) {
    if (to_head_ || head.status == 304) return body.kind == BodyKind::length ? body : Body{};
    return {BodyKind::length, 0};
  }
  if (body.kind == BodyKind::length) return body;
  return {said_.http10 ? BodyKind::close : BodyKind::chunked};
}

bool Http1Server::send_head(const ResponseHead& head, Body body, bool end) {
  bool upgrade = head.status == 101;
  body = framing(head, body, end);
  bool unread = request_ == Request::body && (said_.expects_continue || body_.remaining() > kThrownAway);
  bool last = in_ended_ && in_.empty();
  closing_ =
      closing_ || draining_ || last || !said_.keep_alive || (body.kind == BodyKind::close && !end) || unread;
  http1::Goes goes = closing_ && !upgrade ? http1::Goes::closes
                     : said_.http10       ? http1::Goes::on_http10
                                          : http1::Goes::on;
  http1::write_response(head, body, goes, connection_->out());
  out_.start(upgrade ? Body{BodyKind::close} : body);
  bool more = connection_->write_later();
  if (upgrade) {
    request_ = Request::tunnel;
    answer_ = Answer::tunnel;
    bool ended = std::exchange(in_ended_, false);  // is found again, behind what waits
    if (!in_.empty() || ended) connection_->read_later();
  } else if (end) {
    answer_ended();
  } else {
    answer_ = Answer::body;
  }
  return more;
}

bool Http1Server::send_body(std::string_view data, bool end) {
  bool more = out_.send(*connection_, data, end);
  if (!end) return more;
  if (answer_ == Answer::tunnel) {
    out_ended_ = true;
    if (!in_ended_) {
      connection_->finish();
      return more;
    }
    events_ = nullptr;
    leave();
  } else if (out_.is_short()) {
    events_ = nullptr;
    close(Reset::closed);
  } else {
    answer_ended();
  }
  return more;
}

void Http1Server::send_trailers(const Fields& trailers) {
  out_.send_trailers(*connection_, trailers);
  answer_ended();
}

void Http1Server::reset(Reset why) {
  events_ = nullptr;
  connection_->flush_now();
  close(why);
}

void Http1Server::answer_ended() {
  events_ = nullptr;
  answer_ = Answer::ended;
  bool unread = request_ == Request::body;
  if (closing_) {
    if (unread) return linger();
    return leave();
  }
  if (unread) {
    request_ = Request::rest;
    thrown_away_ = 0;
    connection_->read_later();
    return;
  }
  next_request();
}

void Http1Server::next_request() {
  request_ = Request::head;
  answer_ = Answer::none;
  // What came ahead is read when whoever called has returned; and the end behind it.
  if (!in_.empty() || in_ended_) connection_->read_later();
}

/// The end, behind what was written. The client has nothing more to say.
void Http1Server::leave() {
  connection_->flush_now();
  if (request_ == Request::closed) return;
  if (connection_->flushed() && in_.empty()) return close(Reset::closed);
  linger();
}

void Http1Server::linger() {
  request_ = Request::linger;
  head_since_ = connection_->loop().now();
  connection_->flush_now();
  connection_->finish();
  connection_->loop().set_timer(timer_, kLinger);
  connection_->read_later();
}

void Http1Server::close(Reset why) {
  if (request_ == Request::closed) return;
  request_ = Request::closed;
  timer_.clear();
  ServerStreamEvents* events = std::exchange(events_, nullptr);
  Connection::dispose(std::move(connection_));
  if (events) events->on_reset(why);
  owner_.on_codec_done(*this);
}

// Time. The timer looks now and then whether there is something too old; nothing has to be set for each
// request.

/// How long nothing may move.
uint64_t Http1Server::allowed() const {
  switch (request_) {
    case Request::head:
      return draining_ ? kQuiet : limits_.idle_time;
    case Request::tunnel:
      return limits_.tunnel_time;
    case Request::linger:
      return connection_->flushed() ? kLinger : limits_.body_time;
    default:
      return limits_.body_time;
  }
}

void Http1Server::on_timer(Timer& timer) {
  Loop& loop = connection_->loop();
  uint64_t since = connection_->last_moved();
  uint64_t limit = allowed();
  if (request_ == Request::head && head_since_ != 0 && !(draining_ && in_.empty())) {
    since = head_since_;
    limit = limits_.head_time;
  } else if (request_ == Request::linger && connection_->flushed()) {
    since = head_since_;
  }
  if (since + limit > loop.now()) return loop.set_timer(timer, since + limit - loop.now());
  // Whoever waits for a backend, or for who reads what it sends, waits for as long as that may take.
  // One that has half-closed may have left altogether, which nothing would tell.
  bool waits_for_others = (request_ == Request::done || paused_) && connection_->flushed() && !in_ended_;
  if (waits_for_others && request_ != Request::tunnel) return loop.set_timer(timer, limits_.body_time);
  if (request_ == Request::head && !in_.empty()) return refuse(408);
  if (request_ == Request::body && answer_ == Answer::none && events_) {
    std::exchange(events_, nullptr)->on_reset(Reset::timeout);
    return refuse(408);
  }
  close(in_ended_ ? Reset::cancelled : Reset::timeout);
}

}  // namespace weft::gateway
