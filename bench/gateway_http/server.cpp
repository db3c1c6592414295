#include "server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <unordered_map>

namespace weft::bench {

namespace {

struct Client {
  std::string in;
  size_t owed = 0;  ///< bytes of answers that are still to be sent
};

/// Sends what the socket takes; an answer's bytes repeat.
bool pay(int fd, Client& client, const std::string& answer) {
  while (client.owed > 0) {
    size_t from = answer.size() - (client.owed - 1) % answer.size() - 1;
    ssize_t sent = ::send(fd, answer.data() + from, answer.size() - from, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) return errno == EAGAIN;
    client.owed -= static_cast<size_t>(sent);
  }
  return true;
}

bool work(int fd, Client& client, const std::string& answer) {
  std::array<char, 16384> bytes;
  while (true) {
    ssize_t got = ::recv(fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN)) return false;
    if (got < 0) break;
    client.in.append(bytes.data(), static_cast<size_t>(got));
    if (static_cast<size_t>(got) < bytes.size()) break;
  }
  for (size_t end; (end = client.in.find("\r\n\r\n")) != std::string::npos; client.in.erase(0, end + 4))
    client.owed += answer.size();
  return pay(fd, client, answer);
}

}  // namespace

void serve(uint16_t port, size_t body) {
  std::string answer =
      "HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: application/octet-stream\r\nContent-Length: " +
      std::to_string(body) + "\r\n\r\n" + std::string(body, 'x');
  int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in at{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  if (::bind(listener, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0 || ::listen(listener, 1024) != 0) {
    std::perror("bench backend");
    std::_Exit(1);
  }
  int epoll = epoll_create1(0);
  auto watch = [&](int fd, uint32_t events) {
    epoll_event event{.events = events, .data = {.fd = fd}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
  };
  watch(listener, EPOLLIN);
  std::unordered_map<int, Client> clients;
  std::array<epoll_event, 256> events;
  while (true) {
    int count = epoll_wait(epoll, events.data(), events.size(), -1);
    for (int i = 0; i < count; ++i) {
      int fd = events[i].data.fd;
      if (fd == listener) {
        int client = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
        if (client < 0) continue;
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(client, EPOLLIN | EPOLLOUT | EPOLLET);
        clients[client];
        continue;
      }
      if (work(fd, clients[fd], answer)) continue;
      clients.erase(fd);
      ::close(fd);
    }
  }
}

}  // namespace weft::bench
