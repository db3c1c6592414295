#include "gateway/proxy/mirroring.h"

#include "gateway/proxy/worker.h"

namespace weft::gateway {

namespace {

constexpr uint64_t kAnswerTime = 30'000;

}  // namespace

void Mirroring::start(const RequestHead& head, Body body, bool end) {
  stream_ = &host_.open(*this, true);
  stream_->send_head(head, body, end);
}

void Mirroring::send_body(std::string_view data, bool end) {
  if (stream_ && !stream_->send_body(data, end) && !end) abort(Reset::cancelled);
}

void Mirroring::send_trailers(const Fields& trailers) {
  if (stream_) stream_->send_trailers(trailers);
}

void Mirroring::release(bool whole) {
  released_ = true;
  if (!stream_) return worker_.on_mirroring_done(*this);
  if (!whole) return abort(Reset::cancelled);
  worker_.loop().set_timer(timer_, kAnswerTime);
}

void Mirroring::on_response(Body, bool end) {
  if (end) over(false);
}

void Mirroring::on_body(std::string_view, bool end) {
  if (end) over(false);
}

void Mirroring::on_trailers(const Fields&) { over(false); }

void Mirroring::on_reset(Reset why) { over(why == Reset::connect_failed); }

void Mirroring::abort(Reset why) {
  if (stream_) stream_->reset(why);
  over(false);
}

void Mirroring::over(bool failed) {
  stream_ = nullptr;
  timer_.clear();
  host_.release(failed);
  if (released_) worker_.on_mirroring_done(*this);
}

}  // namespace weft::gateway
