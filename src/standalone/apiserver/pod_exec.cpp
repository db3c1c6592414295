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
#include <csignal>
#include <deque>

#include "kube/json.h"

namespace weft::standalone {
namespace {

using asio::as_tuple;
using asio::awaitable;
using asio::use_awaitable;
using Descriptor = asio::posix::stream_descriptor;
using namespace std::chrono_literals;

constexpr size_t kPiece = 16 << 10;
constexpr size_t kMaxOutbox = 64;
/// How long more output of a process that has ended is waited for when something else holds it open.
constexpr auto kDrain = 200ms;
/// How long a client may take to go once it has been told how its command ended.
constexpr auto kFarewell = 5s;

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
  Exec(asio::io_context& io, ExecProcess process, bool tty, ExecClient& client)
      : client_(client), wake_(io), room_(io), pid_(io, process.pidfd.release()), tty_(tty) {
    if (process.in) in_.emplace(io, process.in.release());
    if (process.out) out_.emplace(io, process.out.release());
    if (process.err) err_.emplace(io, process.err.release());
    io_ = &io;
  }

  awaitable<void> run() {
    if (!co_await client_.open()) {
      kill();
      co_await wait_for_exit();
      co_return;
    }
    start(tty_ ? read_output(*in_, ExecChannel::out) : read_output(*out_, ExecChannel::out));
    if (err_) start(read_output(*err_, ExecChannel::err));
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

  struct Message {
    ExecChannel channel;
    std::string bytes;
  };

  awaitable<void> push(Message message) {
    while (outbox_.size() >= kMaxOutbox && !gone_) {
      room_.expires_after(1s);
      co_await room_.async_wait(as_tuple(use_awaitable));
    }
    outbox_.push_back(std::move(message));
    wake_.cancel();
  }

  awaitable<void> read_output(Descriptor& from, ExecChannel channel) {
    ++readers_;
    std::string piece(kPiece, '\0');
    while (!gone_) {
      auto [error, got] = co_await from.async_read_some(asio::buffer(piece), as_tuple(use_awaitable));
      if (error) break;
      last_read_ = std::chrono::steady_clock::now();
      co_await push({channel, piece.substr(0, got)});
    }
    --readers_;
  }

  awaitable<void> wait_for_exit() {
    co_await pid_.async_wait(Descriptor::wait_read, as_tuple(use_awaitable));
    ::waitid(P_PIDFD, static_cast<id_t>(pid_native()), &how_, WEXITED | WNOHANG);
    last_read_ = std::chrono::steady_clock::now();
    // What it wrote is in the pipes, and the client may be slow to take it; who inherited the pipes may hold
    // them open for ever.
    while (readers_ > 0 && !gone_ &&
           (outbox_.size() >= kMaxOutbox || std::chrono::steady_clock::now() < last_read_ + kDrain)) {
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
    while (auto input = co_await client_.receive()) co_await take(std::move(*input));
    gone_ = true;
    if (!exited_) kill();
  }

  awaitable<void> take(ExecInput input) {
    if (input.channel == ExecChannel::reply) {
      co_await push({input.channel, std::move(input.bytes)});
    } else if (input.channel == ExecChannel::resize && tty_ && in_) {
      resize(input.bytes);
    } else if (input.channel == ExecChannel::in && in_) {
      co_await asio::async_write(*in_, asio::buffer(input.bytes), as_tuple(use_awaitable));
      if (input.end && !tty_) in_.reset();
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
      if (!co_await client_.send(message.channel, message.bytes)) gone_ = true;
    }
  }

  /// Tells how it ended, closes, and waits for the other coroutines: the client is not theirs after that.
  awaitable<void> finish() {
    if (!gone_) {
      co_await client_.finish(exit_status(how_));
      auto limit = std::chrono::steady_clock::now() + kFarewell;
      while (!gone_ && std::chrono::steady_clock::now() < limit) {
        wake_.expires_at(limit);
        co_await wake_.async_wait(as_tuple(use_awaitable));
      }
    } else if (!exited_) {
      kill();
    }
    client_.close();
    boost::system::error_code ignored;
    if (in_) in_->cancel(ignored);
    while (running_ > 0) {
      wake_.expires_after(1h);
      co_await wake_.async_wait(as_tuple(use_awaitable));
    }
  }

  ExecClient& client_;
  asio::io_context* io_ = nullptr;
  asio::steady_timer wake_, room_;
  Descriptor pid_;
  std::optional<Descriptor> in_, out_, err_;
  bool tty_;
  std::deque<Message> outbox_;
  siginfo_t how_{};
  std::chrono::steady_clock::time_point last_read_;
  int running_ = 0, readers_ = 0;
  bool exited_ = false, gone_ = false;
};

}  // namespace

awaitable<void> serve_exec(asio::io_context& io, ExecProcess process, bool tty, ExecClient& client) {
  auto exec = std::make_shared<Exec>(io, std::move(process), tty, client);
  co_await exec->run();
}

}  // namespace weft::standalone
