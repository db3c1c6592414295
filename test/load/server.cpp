#include "server.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "base/fd.h"

namespace weft::load {
namespace {

std::string http_answer() {
  char name[256] = {};
  ::gethostname(name, sizeof(name) - 1);
  std::string_view text = name;
  return fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}", text.size(),
                     text);
}

}  // namespace

int serve(uint16_t port) {
  Fd listener(::socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  int on = 1;
  ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in6 any{};
  any.sin6_family = AF_INET6;
  any.sin6_port = htons(port);
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&any), sizeof(any)) != 0 ||
      ::listen(listener.get(), 8192) != 0) {
    fmt::print(stderr, "port {}: {}\n", port, std::strerror(errno));
    return 2;
  }
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  auto watch = [&](int fd) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event);
  };
  watch(listener.get());
  const auto answer = http_answer();
  char buffer[4096];
  while (true) {
    epoll_event events[256];
    int count = ::epoll_wait(epoll.get(), events, 256, -1);
    for (int i = 0; i < count; ++i) {
      int fd = events[i].data.fd;
      if (fd == listener.get()) {
        for (int c = 0; (c = ::accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) watch(c);
        continue;
      }
      auto got = ::recv(fd, buffer, sizeof(buffer), 0);
      std::string_view request(buffer, got > 0 ? static_cast<size_t>(got) : 0);
      bool http = request.starts_with("GET ");
      auto text = http ? std::string_view(answer) : request;
      if (got > 0) ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
      if (http || got <= 0) ::close(fd);
    }
  }
}

}  // namespace weft::load
