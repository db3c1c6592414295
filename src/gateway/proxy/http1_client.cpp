#include "gateway/proxy/http1_client.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "gateway/http/http1_writer.h"

namespace weft::gateway {

Http1Client::Http1Client(Loop& loop, const IpAddr& addr, uint16_t port, SslPtr tls,
                         const ClientLimits& limits, ClientCodecOwner& owner)
    : connection_(Connection::connect(loop, addr, port, std::move(tls), *this)),
      limits_(limits),
      owner_(owner) {
  loop.set_timer(timer_, limits_.connect_time);
}

ClientStream& Http1Client::open(ClientStreamEvents& events) {
  events_ = &events;
  answer_ = Answer::head;
  scanner_.reset();
  began_ = sent_ = paused_ = false;
  return *this;
}

void Http1Client::drain() {
  draining_ = true;
  if (answer_ == Answer::idle) close(Reset::closed);
}

bool Http1Client::is_stale() const {
  char byte;
  ssize_t got = ::recv(connection_->fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

void Http1Client::on_open() {
  timer_.clear();
  if (events_) events_->on_connected();
}

void Http1Client::on_open_failed(Reset why) { close(why); }

void Http1Client::on_timer(Timer& timer) {
  if (!connection_->is_open()) return close(Reset::connect_failed);
  if (answer_ != Answer::idle) return;
  Loop& loop = connection_->loop();
  uint64_t until = connection_->last_moved() + limits_.idle_time;
  if (until > loop.now()) return loop.set_timer(timer, until - loop.now());
  close(Reset::closed);
}

// Reading.

bool Http1Client::wants_bytes() const { return answer_ != Answer::closed && !paused_ && !in_ended_; }

void Http1Client::on_readable() {
  if (!in_.empty()) in_.consume(take(in_.view()));
  while (wants_bytes()) {
    int got;
    if (in_.empty()) {
      std::span<char> scratch = connection_->loop().scratch();
      got = connection_->read(scratch);
      if (got > 0) {
        std::string_view bytes(scratch.data(), static_cast<size_t>(got));
        size_t taken = take(bytes);
        if (answer_ != Answer::closed) in_.append(bytes.substr(taken));
        continue;
      }
    } else {
      constexpr size_t kRoom = 8192;
      char* to = in_.reserve(kRoom);
      got = connection_->read({to, kRoom});
      if (got > 0) {
        in_.commit(static_cast<size_t>(got));
        in_.consume(take(in_.view()));
        continue;
      }
    }
    if (got == Connection::kNone) break;
    return peer_ended(got == Connection::kFailed);
  }
}

size_t Http1Client::take(std::string_view bytes) {
  size_t taken = 0;
  while (taken < bytes.size()) {
    std::string_view rest = bytes.substr(taken);
    size_t now = 0;
    switch (answer_) {
      case Answer::idle:
        // Nobody has asked for anything.
        close(Reset::protocol_error);
        return bytes.size();
      case Answer::head:
        began_ = true;
        now = take_head(rest);
        break;
      case Answer::body:
        now = paused_ ? 0 : take_body(rest);
        break;
      case Answer::tunnel:
        if (!paused_) {
          events_->on_body(rest, false);
          now = rest.size();
        }
        break;
      case Answer::closed:
        return bytes.size();
    }
    if (now == 0) break;
    taken += now;
  }
  return taken;
}

size_t Http1Client::take_head(std::string_view bytes) {
  size_t size = scanner_.scan(bytes, limits_.head);
  if (size == 0) {
    if (scanner_.status() != 0) close(Reset::protocol_error);
    return 0;
  }
  scanner_.reset();
  ResponseHead& head = events_->response();
  Body body;
  http1::Connection said;
  if (!http1::read_response(bytes.substr(0, size), limits_.head, to_head_, head, events_->arena(), body,
                            said)) {
    close(Reset::protocol_error);
    return size;
  }
  if (head.status == 101) {
    if (!asked_upgrade_ || head.upgrade.empty()) {
      close(Reset::protocol_error);
      return size;
    }
    answer_ = Answer::tunnel;
    keep_alive_ = false;
    out_.start({BodyKind::close});
    sent_ = false;
    events_->on_response({BodyKind::close}, false);
  } else if (head.status < 200) {
    if (head.status != 100) events_->on_informational();
  } else {
    keep_alive_ = said.keep_alive;
    bool more = http1::has_body(head.status, to_head_, body);
    body_.start(more ? body : Body{});
    if (more) {
      answer_ = Answer::body;
      events_->on_response(body, false);
    } else {
      bool behind = bytes.size() > size;
      keep_alive_ = keep_alive_ && !behind;
      ended()->on_response(body, true);
    }
  }
  return size;
}

size_t Http1Client::take_body(std::string_view bytes) {
  http1::BodyReader::Step step = body_.read(bytes, limits_.head);
  bool behind = bytes.size() > step.used;
  switch (step.state) {
    case http1::BodyReader::State::more:
      break;
    case http1::BodyReader::State::data:
      if (body_.at_end()) {
        keep_alive_ = keep_alive_ && !behind;
        ended()->on_body(step.data, true);
      } else {
        events_->on_body(step.data, false);
      }
      break;
    case http1::BodyReader::State::end: {
      keep_alive_ = keep_alive_ && !behind;
      Fields trailers;
      if (body_.trailers().empty()) {
        ended()->on_body({}, true);
      } else if (http1::read_trailers(body_.trailers(), limits_.head, trailers, events_->arena())) {
        ended()->on_trailers(trailers);
      } else {
        close(Reset::protocol_error);
      }
      break;
    }
    case http1::BodyReader::State::bad:
      close(Reset::protocol_error);
      break;
  }
  return step.used;
}

void Http1Client::peer_ended(bool failed) {
  if (answer_ == Answer::tunnel && !failed) {
    in_ended_ = true;
    ClientStreamEvents* events = sent_ ? ended() : events_;
    events->on_body({}, true);
    return;
  }
  if (answer_ == Answer::body && body_.ends_with_connection() && !failed) {
    keep_alive_ = false;
    ended()->on_body({}, true);
    return;
  }
  close(answer_ == Answer::head && used_ && !began_ ? Reset::closed_unused : Reset::closed);
}

ClientStreamEvents* Http1Client::ended() {
  ClientStreamEvents* events = std::exchange(events_, nullptr);
  if (keep_alive_ && sent_ && !draining_) {
    answer_ = Answer::idle;
    used_ = true;
    paused_ = false;
    if (!timer_.is_set()) connection_->loop().set_timer(timer_, limits_.idle_time);
    owner_.on_codec_room(*this);
  } else {
    close(Reset::closed);
  }
  return events;
}

void Http1Client::pause(bool paused) {
  paused_ = paused;
  if (!paused) connection_->read_later();
}

void Http1Client::close(Reset why) {
  if (answer_ == Answer::closed) return;
  answer_ = Answer::closed;
  timer_.clear();
  ClientStreamEvents* events = std::exchange(events_, nullptr);
  Connection::dispose(std::move(connection_));
  owner_.on_codec_done(*this);
  if (events) events->on_reset(why);
}

// Writing.

void Http1Client::on_drained() {
  if (events_) events_->on_writable();
}

bool Http1Client::send_head(const RequestHead& head, Body body, bool end) {
  to_head_ = head.method == "HEAD";
  asked_upgrade_ = !head.upgrade.empty();
  if (!end && body.kind != BodyKind::length) body = {BodyKind::chunked};
  // Methods that usually have a body say that there is none (RFC 9110, 8.6).
  if (end && body.kind != BodyKind::length)
    body = head.method == "POST" || head.method == "PUT" || head.method == "PATCH" ? Body{BodyKind::length, 0}
                                                                                   : Body{};
  http1::write_request(head, body, connection_->out());
  out_.start(body);
  sent_ = end;
  return connection_->write_later();
}

bool Http1Client::send_body(std::string_view data, bool end) {
  bool more = out_.send(*connection_, data, end);
  if (!end) return more;
  sent_ = true;
  if (answer_ == Answer::tunnel) {
    if (in_ended_) {
      events_ = nullptr;
      connection_->flush_now();
      close(Reset::closed);
    } else {
      connection_->finish();
    }
  } else if (out_.is_short()) {
    close(Reset::closed);
  }
  return more;
}

void Http1Client::send_trailers(const Fields& trailers) {
  out_.send_trailers(*connection_, trailers);
  sent_ = true;
}

void Http1Client::reset(Reset why) {
  events_ = nullptr;
  close(why);
}

}  // namespace weft::gateway
