#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gateway/proxy/client_codec.h"
#include "gateway/proxy/server_codec.h"
#include "gateway/proxy/stream.h"

/// Users of streams for tests of codecs: all on the loop's thread.
namespace weft::gateway {

using Texts = std::vector<std::pair<std::string, std::string>>;

inline Texts texts(const Fields& fields) {
  Texts out;
  for (const Field& field : fields) out.emplace_back(field.name, field.value);
  return out;
}

/// A request that a codec of a client has told of, and what it is answered with.
class TestAnswer final : public ServerStreamEvents {
 public:
  explicit TestAnswer(ServerStream& of) : stream(of) {}
  Arena& arena() override { return arena_; }
  RequestHead& request() override { return head; }
  void on_request(Body said, bool end) override {
    body_said = said;
    told = true;
    in_ended = end;
    if (head.path == "/hello") answer(200, {BodyKind::length, 5}, "hello");
    if (head.path == "/empty") answer(204, {}, "");
    if (head.path == "/deaf") stream.pause(true);
    if (head.path == "/early") answer(413, {BodyKind::length, 0}, "");
    if (head.path == "/echo") {
      ResponseHead response;
      response.status = 200;
      response.fields.add("x-method", head.method);
      stream.send_head(response, {BodyKind::chunked}, end);
    }
  }
  void on_body(std::string_view data, bool end) override {
    body.append(data);
    in_ended = in_ended || end;
    if (head.path == "/echo" && !stream.send_body(data, end) && !end) stream.pause(true);
  }
  void on_trailers(const Fields& fields) override {
    trailers = texts(fields);
    in_ended = true;
    if (head.path == "/echo") stream.send_trailers(fields);
  }
  void on_writable() override {
    ++writable;
    if (head.path == "/echo") stream.pause(false);
  }
  void on_reset(Reset why) override { reset = why; }
  void answer(uint16_t status, Body said, std::string_view text) {
    ResponseHead response;
    response.status = status;
    stream.send_head(response, said, text.empty());
    if (!text.empty()) stream.send_body(text, true);
  }

  ServerStream& stream;
  RequestHead head;
  Body body_said;
  std::string body;
  Texts trailers;
  std::optional<Reset> reset;
  int writable = 0;
  bool told = false;
  bool in_ended = false;

 private:
  Arena arena_;
};

class TestHandler final : public RequestHandler, public ServerCodecOwner {
 public:
  ServerStreamEvents& on_stream(ServerStream& stream) override {
    return *answers.emplace_back(std::make_unique<TestAnswer>(stream));
  }
  void on_codec_done(ServerCodec&) override { done = true; }

  std::vector<std::unique_ptr<TestAnswer>> answers;
  bool done = false;
};

/// A request to a backend, and what came of it.
class TestCall final : public ClientStreamEvents {
 public:
  Arena& arena() override { return arena_; }
  ResponseHead& response() override { return head; }
  void on_connected() override { connected = true; }
  void on_informational() override { informational.push_back(head.status); }
  void on_response(Body said, bool end) override {
    body_said = said;
    status = head.status;
    fields = texts(head.fields);
    ended = end;
  }
  void on_body(std::string_view data, bool end) override {
    body.append(data);
    ended = end;
  }
  void on_trailers(const Fields& all) override {
    trailers = texts(all);
    ended = true;
  }
  void on_writable() override {
    ++writable;
    send_rest();
  }
  void on_reset(Reset why) override { reset = why; }
  bool over() const { return ended || reset.has_value(); }

  void start(ClientCodec& codec, std::string_view method, std::string_view path, Texts more = {},
             bool end = true, Body said = {}) {
    stream = &codec.open(*this);
    RequestHead request;
    request.method = method;
    request.authority = "a.example:81";
    request.path = path;
    for (const auto& [name, value] : more) request.fields.add(name, value);
    stream->send_head(request, said, end);
  }
  /// Sends pieces for as long as more is welcome.
  void send_all(std::string text, Texts end_with = {}) {
    rest = std::move(text);
    end_trailers = std::move(end_with);
    send_rest();
  }
  void send_rest() {
    while (!over() && !sent && stream) {
      std::string_view piece = std::string_view(rest).substr(sent_bytes, 10'000);
      sent_bytes += piece.size();
      sent = sent_bytes == rest.size();
      bool more = stream->send_body(piece, sent && end_trailers.empty());
      if (sent && !end_trailers.empty()) {
        Fields trailers_to_send;
        for (const auto& [name, value] : end_trailers) trailers_to_send.add(name, value);
        stream->send_trailers(trailers_to_send);
      }
      if (!more) return;
    }
  }

  ClientStream* stream = nullptr;
  ResponseHead head;
  uint16_t status = 0;
  Body body_said;
  Texts fields;
  std::string body;
  Texts trailers, end_trailers;
  std::vector<uint16_t> informational;
  std::optional<Reset> reset;
  std::string rest;
  size_t sent_bytes = 0;
  int writable = 0;
  bool connected = false;
  bool ended = false;
  bool sent = false;

 private:
  Arena arena_;
};

class TestCodecOwner final : public ClientCodecOwner {
 public:
  void on_codec_room(ClientCodec&) override { ++room; }
  void on_codec_done(ClientCodec&) override { done = true; }
  int room = 0;
  bool done = false;
};

}  // namespace weft::gateway
