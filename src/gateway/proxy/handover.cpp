#include "gateway/proxy/handover.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/log.h"
#include "gateway/proxy/listen_socket.h"

namespace weft::gateway {

namespace {

constexpr int kPatience = 10'000;  // ms
constexpr char kListening = 'L';

std::pair<sockaddr_un, socklen_t> address(const std::string& path) {
  sockaddr_un to{.sun_family = AF_UNIX};
  path.copy(to.sun_path, sizeof to.sun_path - 1);
  return {to, sizeof to};
}

/// One descriptor a message; -1: the end of the list.
bool send_fd(int connection, int fd) {
  char byte = fd >= 0 ? 'S' : 'E';
  iovec part{&byte, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{.msg_iov = &part, .msg_iovlen = 1};
  if (fd >= 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  return ::sendmsg(connection, &message, MSG_NOSIGNAL) == 1;
}

/// An empty Fd: the end, or a failure.
Fd receive_fd(int connection) {
  char byte = 0;
  iovec part{&byte, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.data(), .msg_controllen = control.size()};
  if (::recvmsg(connection, &message, MSG_CMSG_CLOEXEC) != 1) return {};
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (!header || header->cmsg_type != SCM_RIGHTS) return {};
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return Fd(fd);
}

void set_patience(int connection) {
  timeval time{.tv_sec = kPatience / 1000, .tv_usec = 0};
  setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
  setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
}

}  // namespace

std::unique_ptr<Predecessor> Predecessor::find(const std::string& path) {
  auto [to, size] = address(path);
  Fd connection(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!connection || ::connect(connection.get(), reinterpret_cast<sockaddr*>(&to), size) != 0) return nullptr;
  set_patience(connection.get());
  auto found = std::make_unique<Predecessor>();
  while (Fd socket = receive_fd(connection.get())) {
    uint16_t port = port_of(socket);
    found->sockets_[port].push_back(std::move(socket));
  }
  found->connection_ = std::move(connection);
  return found;
}

std::vector<Fd> Predecessor::take(uint16_t port) {
  auto at = sockets_.extract(port);
  return at ? std::move(at.mapped()) : std::vector<Fd>();
}

void Predecessor::release() {
  (void)::send(connection_.get(), &kListening, 1, MSG_NOSIGNAL);
  // It answers by closing: from then on its path is free for ours.
  char byte;
  (void)::recv(connection_.get(), &byte, 1, 0);
  sockets_.clear();
}

HandoverServer::HandoverServer(std::string path, Fd socket, Fd stop, std::function<void()> on_handed_over)
    : path_(std::move(path)),
      socket_(std::move(socket)),
      stop_(std::move(stop)),
      on_handed_over_(std::move(on_handed_over)),
      thread_([this] { run(); }) {}

Expected<std::unique_ptr<HandoverServer>> HandoverServer::start(std::string path,
                                                                std::function<void()> on_handed_over) {
  auto [at, size] = address(path);
  if (path.size() >= sizeof at.sun_path)
    return fail(ErrorCode::invalid, path + ": too long for a Unix socket");
  Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno("socket", errno);
  ::unlink(path.c_str());
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&at), size) != 0)
    return fail_errno("bind to " + path, errno);
  if (::listen(socket.get(), 1) != 0) return fail_errno("listen on " + path, errno);
  Fd stop(::eventfd(0, EFD_CLOEXEC));
  if (!stop) return fail_errno("eventfd", errno);
  return std::unique_ptr<HandoverServer>(
      new HandoverServer(std::move(path), std::move(socket), std::move(stop), std::move(on_handed_over)));
}

HandoverServer::~HandoverServer() {
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

void HandoverServer::set_sockets(uint16_t port, std::vector<Fd> sockets) {
  std::lock_guard lock(mutex_);
  sockets_[port] = std::move(sockets);
}

void HandoverServer::remove_sockets(uint16_t port) {
  std::lock_guard lock(mutex_);
  sockets_.erase(port);
}

void HandoverServer::run() {
  while (true) {
    std::array<pollfd, 2> polled = {{{socket_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
    if (::poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) return;
    if (polled[1].revents) {
      ::unlink(path_.c_str());
      return;
    }
    Fd connection(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!connection) continue;
    if (!hand_over(connection.get())) {
      spdlog::warn("{}: somebody asked for the listening sockets, and did not take them", path_);
      continue;
    }
    {
      std::lock_guard lock(mutex_);
      sockets_.clear();
    }
    ::unlink(path_.c_str());
    on_handed_over_();
    return;
  }
}

bool HandoverServer::hand_over(int connection) {
  set_patience(connection);
  {
    std::lock_guard lock(mutex_);
    for (const auto& [port, sockets] : sockets_)
      for (const Fd& socket : sockets)
        if (!send_fd(connection, socket.get())) return false;
  }
  char byte = 0;
  return send_fd(connection, -1) && ::recv(connection, &byte, 1, 0) == 1 && byte == kListening;
}

}  // namespace weft::gateway
