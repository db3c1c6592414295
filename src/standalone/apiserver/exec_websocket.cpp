#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/websocket.hpp>

#include "standalone/apiserver/exec_client.h"

namespace weft::standalone {
namespace {

namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;
using asio::as_tuple;
using asio::awaitable;
using asio::use_awaitable;

constexpr const char* kProtocols[] = {"v5.channel.k8s.io", "v4.channel.k8s.io"};
constexpr unsigned char kClose = 255;
constexpr size_t kMaxMessage = 1 << 20;

std::string choose_protocol(const UpgradeRequest& head) {
  std::string offered(head[beast::http::field::sec_websocket_protocol]);
  for (const char* protocol : kProtocols) {
    if (offered.find(protocol) != std::string::npos) return protocol;
  }
  return {};
}

class WebSocketClient : public ExecClient {
 public:
  WebSocketClient(UpgradeRequest head, std::string protocol, TlsStream& stream)
      : head_(std::move(head)), protocol_(std::move(protocol)), socket_(stream) {}

  awaitable<bool> open() override {
    socket_.set_option(websocket::stream_base::timeout::suggested(beast::role_type::server));
    socket_.set_option(websocket::stream_base::decorator([this](websocket::response_type& response) {
      response.set(beast::http::field::sec_websocket_protocol, protocol_);
    }));
    socket_.read_message_max(kMaxMessage);
    auto [refused] = co_await socket_.async_accept(head_, as_tuple(use_awaitable));
    socket_.binary(true);
    co_return !refused;
  }

  awaitable<std::optional<ExecInput>> receive() override {
    while (true) {
      beast::flat_buffer buffer;
      auto [error, size] = co_await socket_.async_read(buffer, as_tuple(use_awaitable));
      if (error) co_return std::nullopt;
      std::string_view message(static_cast<const char*>(buffer.data().data()), buffer.size());
      if (message.empty()) continue;
      auto rest = message.substr(1);
      auto first = static_cast<unsigned char>(message[0]);
      if (first == kClose && rest.size() == 1) {
        co_return ExecInput{.channel = static_cast<ExecChannel>(rest[0]), .bytes = {}, .end = true};
      }
      auto channel = static_cast<ExecChannel>(first);
      if (channel == ExecChannel::in || channel == ExecChannel::resize) {
        co_return ExecInput{.channel = channel, .bytes = std::string(rest)};
      }
    }
  }

  awaitable<bool> send(ExecChannel channel, std::string_view bytes) override {
    auto message = std::string(1, static_cast<char>(channel)).append(bytes);
    auto [error, size] = co_await socket_.async_write(asio::buffer(message), as_tuple(use_awaitable));
    co_return !error;
  }

  awaitable<void> finish(std::string_view status) override {
    co_await send(ExecChannel::status, status);
    co_await socket_.async_close(websocket::close_code::normal, as_tuple(use_awaitable));
  }

  void close() override { beast::get_lowest_layer(socket_).close(); }

 private:
  UpgradeRequest head_;
  std::string protocol_;
  websocket::stream<TlsStream&> socket_;
};

}  // namespace

std::unique_ptr<ExecClient> websocket_exec_client(UpgradeRequest head, TlsStream& stream) {
  auto protocol = choose_protocol(head);
  if (protocol.empty()) return nullptr;
  return std::make_unique<WebSocketClient>(std::move(head), std::move(protocol), stream);
}

}  // namespace weft::standalone
