#include "standalone/sandbox/action.h"

#include <fmt/core.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <functional>

#include "base/netns.h"
#include "standalone/sandbox/grpc_health.h"
#include "standalone/sandbox/spawn.h"

namespace weft::standalone::sandbox {

namespace asio = boost::asio;
using asio::awaitable;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr size_t kMaxOutput = 10 << 10;
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

std::optional<uint16_t> port_number(const kube::IntOrString& port, const ActionTarget& target) {
  if (port.is_int()) return static_cast<uint16_t>(port.number());
  for (const auto& declared : target.ports) {
    if (declared.name == port.str()) return static_cast<uint16_t>(declared.containerPort);
  }
  return {};
}

struct Place {
  tcp::endpoint endpoint;
  std::string authority;
};

Expected<Place> place_of(const std::string& host, const kube::IntOrString& port, const ActionTarget& target) {
  auto number = port_number(port, target);
  if (!number) return fail(ErrorCode::invalid, fmt::format("no container port is named \"{}\"", port.str()));
  error_code error;
  auto address = asio::ip::make_address(host.empty() ? target.address : host, error);
  if (error) return fail(ErrorCode::invalid, fmt::format("host \"{}\": must be an address", host));
  auto text = address.to_string();
  return Place{{address, *number},
               fmt::format(fmt::runtime(address.is_v6() ? "[{}]:{}" : "{}:{}"), text, *number)};
}

/// Opens the socket in the node's namespace; it stays there whoever uses it.
Expected<void> open_in(tcp::socket& socket, const tcp::endpoint& endpoint, const std::string& netns) {
  std::optional<InNetns> inside;
  if (!netns.empty()) {
    auto entered = InNetns::enter(netns);
    if (!entered) return std::unexpected(entered.error());
    inside.emplace(std::move(*entered));
  }
  error_code error;
  socket.open(endpoint.protocol(), error);
  if (error) return fail(ErrorCode::system, error.message());
  return {};
}

/// Does something once, when the time is up, unless it went out of scope before.
class Deadline {
 public:
  Deadline(const asio::any_io_executor& executor, ActionTime timeout, std::function<void()> act)
      : timer_(executor, timeout) {
    timer_.async_wait([state = state_, act = std::move(act)](error_code error) {
      if (error || !state->armed) return;
      state->expired = true;
      act();
    });
  }
  /// What waits on the socket fails when the time is up.
  Deadline(tcp::socket& socket, ActionTime timeout)
      : Deadline(socket.get_executor(), timeout, [&socket] {
          error_code ignored;
          socket.close(ignored);
        }) {}
  ~Deadline() { state_->armed = false; }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  bool expired() const { return state_->expired; }
  std::string why(const error_code& error) const { return expired() ? "timeout" : error.message(); }

 private:
  struct State {
    bool armed = true;
    bool expired = false;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
  asio::steady_timer timer_;
};

/// Sends the request and reads as much of the answer as a message needs.
template <class Stream>
awaitable<std::pair<error_code, std::string>> converse(Stream& stream, const std::string& request) {
  auto [write_error, written] = co_await asio::async_write(stream, asio::buffer(request), kAwait);
  if (write_error) co_return std::pair(write_error, std::string());
  std::string answer;
  std::array<char, 4096> buffer;
  while (answer.size() < kMaxOutput) {
    auto [error, n] = co_await stream.async_read_some(asio::buffer(buffer), kAwait);
    answer.append(buffer.data(), n);
    if (error && !http_status(answer)) co_return std::pair(error, answer);
    // A good answer needs no body; a bad one is quoted.
    auto status = http_status(answer);
    if (error || (status && *status >= 200 && *status < 400)) break;
  }
  co_return std::pair(error_code(), answer);
}

ActionResult judge(const std::string& answer, const std::string& scheme) {
  int status = http_status(answer).value_or(0);
  if (status >= 200 && status < 400) return {true, {}};
  if (status == 0) return {false, fmt::format("{} probe failed: no HTTP answer", scheme)};
  return {false, fmt::format("{} probe failed with statuscode: {}", scheme, status)};
}

asio::ssl::context& unverified_tls() {
  static asio::ssl::context context = [] {
    asio::ssl::context c(asio::ssl::context::tls_client);
    c.set_verify_mode(asio::ssl::verify_none);
    return c;
  }();
  return context;
}

awaitable<ActionResult> get_over_tls(tcp::socket& socket, const std::string& request,
                                     const std::string& prefix, const Deadline& deadline) {
  asio::ssl::stream<tcp::socket&> stream(socket, unverified_tls());
  auto [error] = co_await stream.async_handshake(asio::ssl::stream_base::client, kAwait);
  if (error) co_return ActionResult{false, prefix + deadline.why(error)};
  auto [failed, answer] = co_await converse(stream, request);
  if (failed) co_return ActionResult{false, prefix + deadline.why(failed)};
  co_return judge(answer, "HTTPS");
}

}  // namespace

std::optional<int> http_status(std::string_view answer) {
  size_t end = answer.find('\n');
  constexpr std::string_view kBegin = "HTTP/1.";
  if (answer.substr(0, kBegin.size()) != kBegin.substr(0, answer.size())) return 0;
  if (end == std::string_view::npos) return answer.size() > 1024 ? std::optional(0) : std::nullopt;
  // "HTTP/1.1 200 OK"
  if (end < 12 || answer[8] != ' ') return 0;
  int status = 0;
  for (char c : answer.substr(9, 3)) {
    if (c < '0' || c > '9') return 0;
    status = status * 10 + (c - '0');
  }
  return status;
}

std::string http_request(const kube::HTTPGetAction& get, const std::string& authority) {
  std::string path = get.path.empty() ? "/" : get.path;
  if (path.front() != '/') path.insert(path.begin(), '/');
  std::string host = authority, headers;
  bool agent = false, accept = false;
  auto is = [](const std::string& name, const char* other) { return ::strcasecmp(name.c_str(), other) == 0; };
  for (const auto& header : get.httpHeaders) {
    if (is(header.name, "Host")) {
      host = header.value;
      continue;
    }
    agent = agent || is(header.name, "User-Agent");
    accept = accept || is(header.name, "Accept");
    headers += fmt::format("{}: {}\r\n", header.name, header.value);
  }
  if (!agent) headers += "User-Agent: kube-probe/weft\r\n";
  if (!accept) headers += "Accept: */*\r\n";
  return fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\n{}Connection: close\r\n\r\n", path, host, headers);
}

awaitable<ActionResult> run_http_get(const kube::HTTPGetAction& get, const ActionTarget& target,
                                     ActionTime timeout) {
  bool tls = get.scheme == "HTTPS";
  auto place = place_of(get.host, get.port, target);
  if (!place) co_return ActionResult{false, place.error().message};
  auto prefix = fmt::format("Get \"{}://{}{}\": ", tls ? "https" : "http", place->authority,
                            get.path.empty() ? "/" : get.path);
  tcp::socket socket(co_await asio::this_coro::executor);
  if (auto opened = open_in(socket, place->endpoint, target.netns); !opened)
    co_return ActionResult{false, prefix + opened.error().message};
  Deadline deadline(socket, timeout);
  auto [error] = co_await socket.async_connect(place->endpoint, kAwait);
  if (error) co_return ActionResult{false, prefix + deadline.why(error)};
  auto request = http_request(get, place->authority);
  if (tls) co_return co_await get_over_tls(socket, request, prefix, deadline);
  auto [failed, answer] = co_await converse(socket, request);
  if (failed) co_return ActionResult{false, prefix + deadline.why(failed)};
  co_return judge(answer, "HTTP");
}

awaitable<ActionResult> run_tcp_connect(const kube::TCPSocketAction& action, const ActionTarget& target,
                                        ActionTime timeout) {
  auto place = place_of(action.host, action.port, target);
  if (!place) co_return ActionResult{false, place.error().message};
  tcp::socket socket(co_await asio::this_coro::executor);
  if (auto opened = open_in(socket, place->endpoint, target.netns); !opened)
    co_return ActionResult{false, opened.error().message};
  Deadline deadline(socket, timeout);
  auto [error] = co_await socket.async_connect(place->endpoint, kAwait);
  if (error)
    co_return ActionResult{false, fmt::format("dial tcp {}: {}", place->authority, deadline.why(error))};
  co_return ActionResult{true, {}};
}

awaitable<ActionResult> run_command(const kube::ExecAction& exec, const ActionTarget& target,
                                    ActionTime timeout) {
  if (!target.container) co_return ActionResult{false, "the container is not running"};
  auto process = exec_in_container(*target.container, exec.command, false, false);
  if (!process) co_return ActionResult{false, process.error().message};
  auto executor = co_await asio::this_coro::executor;
  asio::posix::stream_descriptor ended(executor, ::dup(process->pidfd.get()));
  asio::posix::stream_descriptor out(executor, process->out.release());
  // What it left running in the background may hold the pipe open for ever.
  Deadline deadline(executor, timeout, [pidfd = process->pidfd.get(), &out] {
    ::syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0);
    error_code ignored;
    out.cancel(ignored);
  });
  // Output beyond what the pipe holds makes the command wait, so it is read while it runs.
  std::string output;
  std::array<char, 4096> buffer;
  while (true) {
    auto [error, n] = co_await out.async_read_some(asio::buffer(buffer), kAwait);
    if (error) break;
    if (output.size() < kMaxOutput) output.append(buffer.data(), n);
  }
  [[maybe_unused]] auto [wait_error] =
      co_await ended.async_wait(asio::posix::stream_descriptor::wait_read, kAwait);
  int code = reap(process->pidfd);
  if (auto n = ::read(process->err.get(), buffer.data(), buffer.size()); n > 0)
    output.append(buffer.data(), static_cast<size_t>(n));
  if (deadline.expired())
    co_return ActionResult{false, fmt::format("command timed out after {} ms", timeout.count())};
  co_return ActionResult{code == 0, std::move(output)};
}

awaitable<ActionResult> run_grpc_health(const kube::GRPCAction& grpc, const ActionTarget& target,
                                        ActionTime timeout) {
  auto place = place_of("", kube::IntOrString{grpc.port}, target);
  if (!place) co_return ActionResult{false, place.error().message};
  tcp::socket socket(co_await asio::this_coro::executor);
  if (auto opened = open_in(socket, place->endpoint, target.netns); !opened)
    co_return ActionResult{false, opened.error().message};
  Deadline deadline(socket, timeout);
  auto [error] = co_await socket.async_connect(place->endpoint, kAwait);
  if (error)
    co_return ActionResult{false, fmt::format("dial tcp {}: {}", place->authority, deadline.why(error))};
  GrpcHealthCheck check(grpc.service.value_or(""), place->authority);
  std::array<char, 4096> buffer;
  while (!check.done()) {
    auto bytes = check.to_send();
    auto [write_error, written] = co_await asio::async_write(socket, asio::buffer(bytes), kAwait);
    if (write_error) co_return ActionResult{false, deadline.why(write_error)};
    if (check.done()) break;
    auto [read_error, n] = co_await socket.async_read_some(asio::buffer(buffer), kAwait);
    if (read_error) co_return ActionResult{false, deadline.why(read_error)};
    check.received({buffer.data(), n});
  }
  co_return ActionResult{check.serving(), check.message()};
}

awaitable<ActionResult> run_probe(const kube::Probe& probe, const ActionTarget& target) {
  ActionTime timeout = std::chrono::seconds(std::max(1, probe.timeoutSeconds));
  if (probe.httpGet) return run_http_get(*probe.httpGet, target, timeout);
  if (probe.tcpSocket) return run_tcp_connect(*probe.tcpSocket, target, timeout);
  if (probe.exec) return run_command(*probe.exec, target, timeout);
  if (probe.grpc) return run_grpc_health(*probe.grpc, target, timeout);
  return []() -> awaitable<ActionResult> { co_return ActionResult{true, {}}; }();
}

awaitable<ActionResult> run_hook(const kube::LifecycleHandler& hook, const ActionTarget& target,
                                 ActionTime timeout) {
  if (hook.exec) co_return co_await run_command(*hook.exec, target, timeout);
  if (hook.httpGet) co_return co_await run_http_get(*hook.httpGet, target, timeout);
  if (hook.sleep) {
    asio::steady_timer timer(co_await asio::this_coro::executor,
                             std::min<ActionTime>(std::chrono::seconds(hook.sleep->seconds), timeout));
    co_await timer.async_wait(kAwait);
  }
  co_return ActionResult{true, {}};
}

}  // namespace weft::standalone::sandbox
