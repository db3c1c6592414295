#include "standalone/apiserver/pod_exec.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/websocket.hpp>
#include <csignal>
#include <deque>

#include "kube/json.h"

namespace weft::standalone {
namespace {

namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;
using asio::as_tuple;
using asio::awaitable;
using asio::use_awaitable;
using Descriptor = asio::posix::stream_descriptor;
using namespace std::chrono_literals;

constexpr const char* kProtocols[] = {"v5.channel.k8s.io", "v4.channel.k8s.io"};
enum Channel : char { kStdin = 0, kStdout = 1, kStderr = 2, kError = 3, kResize = 4 };
constexpr unsigned char kClose = 255;
constexpr size_t kPiece = 16 << 10;
constexpr size_t kMaxOutbox = 64;
constexpr size_t kMaxMessage = 1 << 20;
/// How long the output of a process that has ended is waited for when something else holds it open.
constexpr auto kDrain = 200ms;

std::string choose_protocol(const beast::http::request<beast::http::string_body>& head) {
  std::string offered(head[beast::http::field::sec_websocket_protocol]);
  for (const char* protocol : kProtocols) {
    if (offered.find(protocol) != std::string::npos) return protocol;
  }
  return {};
}

/// The Status that tells how a command ended.
std::string exit_status(const siginfo_t& info) {
  int code = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
  if (code == 0) return R"({"metadata":{},"status":"Success"})";
  return json::serialize(json::object{
      {"metadata", json::object()},
      {"status", "Failure"},
      {"reason", "NonZeroExitCode"},
      {"message", fmt::format("command terminated with non-zero exit code: exit status {}", code)},
      {"details", {{"causes", json::array{{{"reason", "ExitCode"}, {"message", std::to_string(code)}}}}}}});
}

/// One command and its client. The coroutines that read share it; one writes.
class Exec : public std::enable_shared_from_this<Exec> {
 public:
  Exec(asio::io_context& io, ExecProcess process, bool tty, TlsStream& stream)
      : socket_(stream), wake_(io), room_(io), pid_(io, process.pidfd.release()), tty_(tty) {
    if (process.in) in_.emplace(io, process.in.release());
    if (process.out) out_.emplace(io, process.out.release());
    if (process.err) err_.emplace(io, process.err.release());
    io_ = &io;
  }

  awaitable<void> run(beast::http::request<beast::http::string_body> head) {
    auto protocol = choose_protocol(head);
    socket_.set_option(websocket::stream_base::timeout::suggested(beast::role_type::server));
    socket_.set_option(websocket::stream_base::decorator([protocol](websocket::response_type& response) {
      response.set(beast::http::field::sec_websocket_protocol, protocol);
    }));
    socket_.read_message_max(kMaxMessage);
    auto [refused] = co_await socket_.async_accept(head, as_tuple(use_awaitable));
    if (refused) {
      kill();
      co_return;
    }
    socket_.binary(true);
    start(tty_ ? read_output(*in_, kStdout) : read_output(*out_, kStdout));
    if (err_) start(read_output(*err_, kStderr));
    start(wait_for_exit());
    start(read_client());
    co_await write_all();
    co_await finish();
  }

 private:
  void start(awaitable<void> what) {
    ++running_;
    asio::co_spawn(*io_, std::move(what), [self = shared_from_this()](const std::exception_ptr&) {
      --self->running_;
      self->wake_.cancel();
    });
  }

  void kill() const { ::syscall(SYS_pidfd_send_signal, pid_native(), SIGKILL, nullptr, 0); }
  int pid_native() const { return const_cast<Descriptor&>(pid_).native_handle(); }

  awaitable<void> push(std::string message) {
    while (outbox_.size() >= kMaxOutbox && !gone_) {
      room_.expires_after(1s);
      co_await room_.async_wait(as_tuple(use_awaitable));
    }
    outbox_.push_back(std::move(message));
    wake_.cancel();
  }

  awaitable<void> read_output(Descriptor& from, Channel channel) {
    ++readers_;
    std::string piece(kPiece + 1, channel);
    while (!gone_) {
      auto [error, got] =
          co_await from.async_read_some(asio::buffer(piece.data() + 1, kPiece), as_tuple(use_awaitable));
      if (error) break;
      co_await push(piece.substr(0, got + 1));
    }
    --readers_;
  }

  awaitable<void> wait_for_exit() {
    co_await pid_.async_wait(Descriptor::wait_read, as_tuple(use_awaitable));
    ::waitid(P_PIDFD, static_cast<id_t>(pid_native()), &how_, WEXITED | WNOHANG);
    asio::steady_timer drain(*io_, kDrain);
    // What it wrote is in the pipes; who inherited them may hold them open for ever.
    while (readers_ > 0 && drain.expiry() > std::chrono::steady_clock::now()) {
      asio::steady_timer pause(*io_, 2ms);
      co_await pause.async_wait(use_awaitable);
    }
    boost::system::error_code ignored;
    if (out_) out_->cancel(ignored);
    if (err_) err_->cancel(ignored);
    if (tty_ && in_) in_->cancel(ignored);
    exited_ = true;
  }

  awaitable<void> read_client() {
    beast::flat_buffer buffer;
    while (true) {
      auto [error, size] = co_await socket_.async_read(buffer, as_tuple(use_awaitable));
      if (error) break;
      co_await take(std::string_view(static_cast<const char*>(buffer.data().data()), buffer.size()));
      buffer.consume(buffer.size());
    }
    gone_ = true;
    if (!exited_) kill();
  }

  awaitable<void> take(std::string_view message) {
    if (message.empty()) co_return;
    auto rest = message.substr(1);
    if (message[0] == kStdin && in_) {
      co_await asio::async_write(*in_, asio::buffer(rest), as_tuple(use_awaitable));
    } else if (message[0] == kResize && tty_ && in_) {
      resize(rest);
    } else if (static_cast<unsigned char>(message[0]) == kClose && rest == std::string_view("\0", 1) &&
               !tty_) {
      in_.reset();
    }
  }

  void resize(std::string_view size) {
    boost::system::error_code bad;
    auto value = json::parse(size, bad);
    if (bad) return;
    auto number = [&](const char* key) -> unsigned short {
      const auto* n = kube::member(value, key);
      return n && n->is_int64() ? static_cast<unsigned short>(n->get_int64()) : 0;
    };
    winsize window{.ws_row = number("Height"), .ws_col = number("Width"), .ws_xpixel = 0, .ws_ypixel = 0};
    ::ioctl(in_->native_handle(), TIOCSWINSZ, &window);
  }

  awaitable<void> write_all() {
    while (!gone_ && !(exited_ && readers_ == 0 && outbox_.empty())) {
      if (outbox_.empty()) {
        wake_.expires_after(1h);
        co_await wake_.async_wait(as_tuple(use_awaitable));
        continue;
      }
      auto message = std::move(outbox_.front());
      outbox_.pop_front();
      room_.cancel();
      auto [error, size] = co_await socket_.async_write(asio::buffer(message), as_tuple(use_awaitable));
      if (error) gone_ = true;
    }
  }

  /// Tells how it ended, closes, and waits for the other coroutines: the stream is not theirs after that.
  awaitable<void> finish() {
    if (!gone_) {
      auto message = std::string(1, kError) + exit_status(how_);
      co_await socket_.async_write(asio::buffer(message), as_tuple(use_awaitable));
      co_await socket_.async_close(websocket::close_code::normal, as_tuple(use_awaitable));
    } else if (!exited_) {
      kill();
    }
    boost::system::error_code ignored;
    beast::get_lowest_layer(socket_).close();
    while (running_ > 0) {
      wake_.expires_after(1h);
      co_await wake_.async_wait(as_tuple(use_awaitable));
    }
  }

  websocket::stream<TlsStream&> socket_;
  asio::io_context* io_ = nullptr;
  asio::steady_timer wake_, room_;
  Descriptor pid_;
  std::optional<Descriptor> in_, out_, err_;
  bool tty_;
  std::deque<std::string> outbox_;
  siginfo_t how_{};
  int running_ = 0, readers_ = 0;
  bool exited_ = false, gone_ = false;
};

}  // namespace

bool speaks_exec(const beast::http::request<beast::http::string_body>& head) {
  return !choose_protocol(head).empty();
}

awaitable<void> serve_exec(asio::io_context& io, ExecProcess process, bool tty,
                           beast::http::request<beast::http::string_body> head, TlsStream& stream) {
  auto exec = std::make_shared<Exec>(io, std::move(process), tty, stream);
  co_await exec->run(std::move(head));
}

}  // namespace weft::standalone
