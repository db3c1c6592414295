#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <chrono>
#include <map>

#include "standalone/apiserver/exec_client.h"
#include "standalone/apiserver/spdy.h"

namespace weft::standalone {
namespace {

namespace beast = boost::beast;
using asio::as_tuple;
using asio::awaitable;
using asio::use_awaitable;
using namespace std::chrono_literals;

constexpr std::string_view kProtocol = "v4.channel.k8s.io";
constexpr const char* kProtocolHeader = "X-Stream-Protocol-Version";
/// How long the client may take to make its streams.
constexpr auto kForStreams = 30s;
constexpr size_t kPiece = 16 << 10;
constexpr size_t kMaxResize = 4096;

constexpr std::pair<std::string_view, ExecChannel> kStreamTypes[] = {{"error", ExecChannel::status},
                                                                     {"stdin", ExecChannel::in},
                                                                     {"stdout", ExecChannel::out},
                                                                     {"stderr", ExecChannel::err},
                                                                     {"resize", ExecChannel::resize}};

class SpdyClient : public ExecClient {
 public:
  SpdyClient(TlsStream& stream, size_t stream_count) : stream_(stream), stream_count_(stream_count) {}

  awaitable<bool> open() override {
    auto head =
        std::string("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n")
            .append(kProtocolHeader)
            .append(": ")
            .append(kProtocol)
            .append("\r\n\r\n");
    auto& lowest = beast::get_lowest_layer(stream_);
    lowest.expires_after(kForStreams);
    if (!co_await write(head)) co_return false;
    while (streams_.size() < stream_count_) {
      auto input = co_await receive();
      if (!input) co_return false;
      if (input->channel == ExecChannel::reply) {
        if (!co_await write(input->bytes)) co_return false;
      } else {
        early_.push_back(std::move(*input));
      }
    }
    lowest.expires_never();
    opened_ = true;
    co_return true;
  }

  awaitable<std::optional<ExecInput>> receive() override {
    if (opened_ && !early_.empty()) {
      auto input = std::move(early_.front());
      early_.erase(early_.begin());
      co_return input;
    }
    while (true) {
      auto frame = reader_.next();
      if (!frame) co_return std::nullopt;
      if (*frame) {
        if (std::holds_alternative<spdy::GoAway>(**frame)) co_return std::nullopt;
        if (auto input = std::visit([&](auto& each) { return taken(each); }, **frame)) co_return input;
        continue;
      }
      auto [error, size] = co_await stream_.async_read_some(asio::buffer(piece_), as_tuple(use_awaitable));
      if (error) co_return std::nullopt;
      reader_.feed({piece_.data(), size});
    }
  }

  awaitable<bool> send(ExecChannel channel, std::string_view bytes) override {
    if (channel == ExecChannel::reply) co_return co_await write(bytes);
    auto id = stream_of(channel);
    // The client has no use for output it made no stream for.
    if (id == 0) co_return true;
    co_return co_await write(spdy::Writer::data(id, bytes, false));
  }

  awaitable<void> finish(std::string_view status) override {
    std::string last;
    for (const auto& [id, channel] : streams_) {
      last += spdy::Writer::data(id, channel == ExecChannel::status ? status : std::string_view(), true);
    }
    co_await write(last);
  }

  void close() override { beast::get_lowest_layer(stream_).close(); }

 private:
  using Input = std::optional<ExecInput>;

  static Input reply(std::string bytes) {
    return ExecInput{.channel = ExecChannel::reply, .bytes = std::move(bytes)};
  }

  Input taken(spdy::HeaderFrame& frame) {
    if (frame.kind != spdy::HeaderKind::syn_stream) return std::nullopt;
    auto type = std::ranges::find(frame.headers, "streamtype", &std::pair<std::string, std::string>::first);
    const auto* known = type == frame.headers.end()
                            ? std::end(kStreamTypes)
                            : std::ranges::find(kStreamTypes, std::string_view(type->second),
                                                &std::pair<std::string_view, ExecChannel>::first);
    if (frame.stream % 2 == 0 || frame.stream == 0) {
      return reply(spdy::Writer::rst_stream(frame.stream, spdy::kProtocolError));
    }
    if (known == std::end(kStreamTypes) || stream_of(known->second) != 0) {
      return reply(spdy::Writer::rst_stream(frame.stream, spdy::kRefusedStream));
    }
    streams_[frame.stream] = known->second;
    return reply(writer_.headers(spdy::HeaderKind::syn_reply, frame.stream, {}));
  }

  Input taken(spdy::Data& frame) {
    auto stream = streams_.find(frame.stream);
    if (stream == streams_.end()) return std::nullopt;
    if (stream->second == ExecChannel::resize) return resized(frame.bytes);
    if (stream->second != ExecChannel::in) return std::nullopt;
    return ExecInput{.channel = ExecChannel::in, .bytes = std::move(frame.bytes), .end = frame.fin};
  }

  Input taken(spdy::RstStream& frame) {
    auto stream = streams_.find(frame.stream);
    if (stream == streams_.end()) return std::nullopt;
    auto channel = stream->second;
    streams_.erase(stream);
    if (channel != ExecChannel::in) return std::nullopt;
    return ExecInput{.channel = channel, .bytes = {}, .end = true};
  }

  /// A ping of ours would have an even number; we send none.
  static Input taken(spdy::Ping& frame) {
    return frame.id % 2 == 1 ? reply(spdy::Writer::ping(frame.id)) : std::nullopt;
  }
  static Input taken(spdy::GoAway&) { return std::nullopt; }
  static Input taken(spdy::Ignored&) { return std::nullopt; }

  /// Sizes are lines of JSON; of several the last counts.
  Input resized(std::string_view bytes) {
    resize_ += bytes;
    auto end = resize_.rfind('\n');
    if (end == std::string::npos) {
      if (resize_.size() > kMaxResize) resize_.clear();
      return std::nullopt;
    }
    auto begin = resize_.rfind('\n', end == 0 ? 0 : end - 1);
    begin = begin == std::string::npos || begin == end ? 0 : begin + 1;
    ExecInput out{.channel = ExecChannel::resize, .bytes = resize_.substr(begin, end - begin)};
    resize_.erase(0, end + 1);
    return out;
  }

  uint32_t stream_of(ExecChannel channel) const {
    auto found = std::ranges::find(streams_, channel, &std::pair<const uint32_t, ExecChannel>::second);
    return found == streams_.end() ? 0 : found->first;
  }

  awaitable<bool> write(std::string_view bytes) {
    auto [error, size] = co_await asio::async_write(stream_, asio::buffer(bytes), as_tuple(use_awaitable));
    co_return !error;
  }

  TlsStream& stream_;
  size_t stream_count_;
  spdy::Reader reader_;
  spdy::Writer writer_;
  std::map<uint32_t, ExecChannel> streams_;
  std::vector<ExecInput> early_;  ///< what came before all streams were there
  std::string resize_;
  std::array<char, kPiece> piece_;
  bool opened_ = false;
};

bool offers_protocol(const UpgradeRequest& head) {
  auto [begin, end] = head.equal_range(kProtocolHeader);
  return std::any_of(
      begin, end, [](const auto& field) { return beast::http::token_list(field.value()).exists(kProtocol); });
}

}  // namespace

bool is_spdy_upgrade(const UpgradeRequest& head) {
  return beast::http::token_list(head[beast::http::field::connection]).exists("upgrade") &&
         beast::iequals(head[beast::http::field::upgrade], "SPDY/3.1");
}

std::unique_ptr<ExecClient> spdy_exec_client(const UpgradeRequest& head, TlsStream& stream,
                                             size_t stream_count) {
  if (!offers_protocol(head)) return nullptr;
  return std::make_unique<SpdyClient>(stream, stream_count);
}

}  // namespace weft::standalone
