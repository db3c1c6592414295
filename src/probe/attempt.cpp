#include "probe/attempt.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <netdb.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include "base/fd.h"
#include "base/text.h"
#include "datapath/sock_diag.h"

namespace weft::probe {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr size_t kMaxAnswer = 64 * 1024;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

SocketAddress socket_address(const IpAddr& address, uint16_t port) {
  SocketAddress out;
  auto text = address.str();
  if (address.is_v4()) {
    auto& in = reinterpret_cast<sockaddr_in&>(out.storage);
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    ::inet_pton(AF_INET, text.c_str(), &in.sin_addr);
    out.size = sizeof in;
  } else {
    auto& in = reinterpret_cast<sockaddr_in6&>(out.storage);
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(port);
    ::inet_pton(AF_INET6, text.c_str(), &in.sin6_addr);
    out.size = sizeof in;
  }
  return out;
}

std::optional<IpAddr> address_in(int family, const void* bytes) {
  char text[INET6_ADDRSTRLEN];
  return ::inet_ntop(family, bytes, text, sizeof text) ? IpAddr::parse(text) : std::nullopt;
}

Result result_of(int error) {
  switch (error) {
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
      return Result::refused;
    case ETIMEDOUT:
    case EAGAIN:
      return Result::timed_out;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EADDRNOTAVAIL:
      return Result::unreachable;
    default:
      return Result::failed;
  }
}

/// The programs at connect(2) change the address below the socket, which getpeername(2) hides: sock_diag(7)
/// tells it.
std::optional<IpAddr> real_peer(int socket, uint8_t protocol) {
  struct stat own{};
  if (::fstat(socket, &own) != 0) return std::nullopt;
  auto diag = datapath::SockDiag::open(protocol);
  if (!diag) return std::nullopt;
  std::optional<IpAddr> out;
  for (uint8_t family : {AF_INET, AF_INET6}) {
    // What cannot be asked for is not known.
    (void)diag->dump(family, [&](const inet_diag_msg& one) {
      if (one.idiag_inode == own.st_ino) out = address_in(one.idiag_family, one.id.idiag_dst);
    });
  }
  return out;
}

/// Of the lines of an answer's head, without the last one's end.
std::string location_in(std::string_view head) {
  constexpr std::string_view kName = "location:";
  while (!head.empty()) {
    auto line = head.substr(0, head.find("\r\n"));
    head.remove_prefix(std::min(head.size(), line.size() + 2));
    if (lower(line.substr(0, kName.size())) != kName) continue;
    line.remove_prefix(kName.size());
    auto first = line.find_first_not_of(" \t"), last = line.find_last_not_of(" \t");
    return first == line.npos ? std::string() : std::string(line.substr(first, last - first + 1));
  }
  return {};
}

/// What a connection is read from and written to.
class Stream {
 public:
  virtual ~Stream() = default;
  virtual ssize_t read(char* to, size_t size) = 0;
  virtual bool write(std::string_view bytes) = 0;
};

class Plain : public Stream {
 public:
  explicit Plain(int socket) : socket_(socket) {}
  ssize_t read(char* to, size_t size) override { return ::recv(socket_, to, size, 0); }
  bool write(std::string_view bytes) override {
    return ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
  }

 private:
  int socket_;
};

/// Whose certificate it is does not matter here.
class Tls : public Stream {
 public:
  static std::unique_ptr<Tls> connect(int socket, const std::string& server_name) {
    std::unique_ptr<Tls> out(new Tls);
    out->context_.reset(::SSL_CTX_new(::TLS_client_method()));
    if (!out->context_) return nullptr;
    out->ssl_.reset(::SSL_new(out->context_.get()));
    if (!out->ssl_ || ::SSL_set_fd(out->ssl_.get(), socket) != 1) return nullptr;
    SSL_set_tlsext_host_name(out->ssl_.get(), server_name.c_str());
    if (::SSL_connect(out->ssl_.get()) != 1) return nullptr;
    return out;
  }
  ssize_t read(char* to, size_t size) override { return ::SSL_read(ssl_.get(), to, static_cast<int>(size)); }
  bool write(std::string_view bytes) override {
    return ::SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) > 0;
  }

 private:
  std::unique_ptr<SSL_CTX, decltype(&::SSL_CTX_free)> context_{nullptr, ::SSL_CTX_free};
  std::unique_ptr<SSL, decltype(&::SSL_free)> ssl_{nullptr, ::SSL_free};
};

class Attempt {
 public:
  Attempt(const Ask& ask, const std::function<void(const Observed&)>& report)
      : ask_(ask), report_(report), end_(start_ + ask.patience) {}

  void run() {
    auto addresses = ask_.addresses;
    if (addresses.empty()) {
      if (!resolve()) return finish();
      addresses = seen_.addresses;
    }
    seen_.stage = "connect";
    for (size_t i = 0; i < addresses.size(); ++i) {
      auto left = std::chrono::duration_cast<milliseconds>(end_ - Clock::now());
      // The rest share what time is left.
      if (try_address(addresses[i], left / static_cast<int>(addresses.size() - i))) break;
    }
    finish();
  }

 private:
  void finish() {
    seen_.seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    report_(seen_);
  }

  void report_timeout() {
    auto so_far = seen_;
    so_far.result = Result::timed_out;
    so_far.seconds = std::chrono::duration<double>(ask_.patience).count();
    report_(so_far);
  }

  bool resolve() {
    report_timeout();
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    addrinfo* list = nullptr;
    int error = ::getaddrinfo(ask_.host.c_str(), nullptr, &hints, &list);
    std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, ::freeaddrinfo);
    if (error != 0) {
      seen_.result = Result::no_name;
      seen_.detail = ::gai_strerror(error);
      return false;
    }
    for (auto* at = list; at; at = at->ai_next) {
      const void* bytes =
          at->ai_family == AF_INET
              ? static_cast<const void*>(&reinterpret_cast<sockaddr_in*>(at->ai_addr)->sin_addr)
              : &reinterpret_cast<sockaddr_in6*>(at->ai_addr)->sin6_addr;
      auto address = address_in(at->ai_family, bytes);
      if (address && std::ranges::find(seen_.addresses, *address) == seen_.addresses.end())
        seen_.addresses.push_back(*address);
    }
    return true;
  }

  void fail_with(int error) {
    seen_.result = result_of(error);
    seen_.detail = seen_.result == Result::timed_out ? "" : std::strerror(error);
  }

  /// True: there is nothing more to try.
  bool try_address(const IpAddr& address, milliseconds patience) {
    seen_.address = address;
    report_timeout();
    int type = ask_.protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
    Fd socket(
        ::socket(address.is_v4() ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, ask_.protocol));
    if (!socket) return fail_with(errno), false;
    for (const auto& own : ask_.from) {
      if (own.is_v4() != address.is_v4()) continue;
      auto bound = socket_address(own, 0);
      if (::bind(socket.get(), bound.get(), bound.size) != 0) return fail_with(errno), false;
    }
    auto to = socket_address(address, ask_.port);
    if (::connect(socket.get(), to.get(), to.size) != 0 && errno != EINPROGRESS)
      return fail_with(errno), false;
    if (ask_.protocol == IPPROTO_UDP) return talk_udp(socket.get(), patience);
    pollfd wait{socket.get(), POLLOUT, 0};
    if (::poll(&wait, 1, static_cast<int>(std::max<int64_t>(patience.count(), 0))) <= 0)
      return fail_with(ETIMEDOUT), false;
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return fail_with(error), false;
    seen_.result = Result::connected;
    seen_.detail.clear();
    seen_.peer = real_peer(socket.get(), ask_.protocol);
    if (ask_.http) talk_http(socket.get());
    return true;
  }

  /// A datagram that every program may make of what it likes; echo sends it back.
  bool talk_udp(int socket, milliseconds patience) {
    seen_.peer = real_peer(socket, ask_.protocol);
    constexpr std::string_view kWords = "weft probe\n";
    char answer[512];
    pollfd wait{socket, POLLIN, 0};
    if (::send(socket, kWords.data(), kWords.size(), MSG_NOSIGNAL) < 0) return fail_with(errno), false;
    if (::poll(&wait, 1, static_cast<int>(std::max<int64_t>(patience.count(), 0))) <= 0)
      return fail_with(ETIMEDOUT), false;
    if (::recv(socket, answer, sizeof answer, 0) < 0) return fail_with(errno), false;
    seen_.result = Result::connected;
    seen_.detail.clear();
    return true;
  }

  void talk_http(int socket) {
    seen_.stage = "answer";
    report_timeout();
    // Whoever called ends it when it takes too long.
    ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) & ~O_NONBLOCK);
    std::unique_ptr<Stream> stream;
    if (ask_.http->tls) {
      auto colon = ask_.http->host.rfind(':');
      stream = Tls::connect(socket, ask_.http->host.substr(0, colon));
      if (!stream) {
        seen_.result = Result::refused;
        seen_.detail = "TLS could not be set up";
        return;
      }
    } else {
      stream = std::make_unique<Plain>(socket);
    }
    std::string answer;
    char buffer[4096];
    bool sent = stream->write(request_text(*ask_.http));
    while (sent && answer.size() < kMaxAnswer) {
      auto got = stream->read(buffer, sizeof buffer);
      if (got <= 0) break;
      answer.append(buffer, static_cast<size_t>(got));
    }
    auto seen = read_answer(answer);
    seen_.status = seen.status;
    seen_.location = seen.location;
    seen_.pod = seen.pod;
    if (seen.status != 0) return;
    seen_.result = Result::refused;
    seen_.detail = "closed without an answer";
  }

  const Ask& ask_;
  const std::function<void(const Observed&)>& report_;
  Clock::time_point start_ = Clock::now();
  Clock::time_point end_;
  Observed seen_;
};

}  // namespace

void attempt(const Ask& ask, const std::function<void(const Observed&)>& report) {
  Attempt(ask, report).run();
}

std::string request_text(const HttpAsk& http) {
  auto out = fmt::format("{} {} HTTP/1.1\r\nhost: {}\r\n", http.method, http.path, http.host);
  bool has_agent = false;
  for (const auto& [name, value] : http.headers) {
    if (name == "host") continue;
    has_agent = has_agent || name == "user-agent";
    out += fmt::format("{}: {}\r\n", name, value);
  }
  if (!has_agent) out += "user-agent: weft-probe\r\n";
  if (http.method != "GET" && http.method != "HEAD") out += "content-length: 0\r\n";
  return out + "connection: close\r\n\r\n";
}

HttpSeen read_answer(std::string_view bytes) {
  HttpSeen out;
  auto line = bytes.substr(0, bytes.find("\r\n"));
  auto space = line.find(' ');
  if (line.size() == bytes.size() || !line.starts_with("HTTP/1.") || space == line.npos) return out;
  auto digits = line.substr(space + 1, 3);
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out.status);
  if (error != std::errc() || end != digits.data() + digits.size() || out.status < 100) return {};
  auto head = bytes.find("\r\n\r\n");
  if (head == bytes.npos) return out;
  out.location = location_in(bytes.substr(0, head));
  // Between the braces, whatever the transfer coding put around them.
  auto body = bytes.substr(head + 4);
  auto first = body.find('{'), last = body.rfind('}');
  if (first == body.npos || last == body.npos || last < first) return out;
  boost::system::error_code bad;
  auto value = json::parse(body.substr(first, last - first + 1), bad);
  if (bad) return out;
  auto pod = kube::string_at(value, "pod"), ns = kube::string_at(value, "namespace");
  if (!pod.empty() && !ns.empty()) out.pod = fmt::format("{}/{}", ns, pod);
  return out;
}

}  // namespace weft::probe
