#include "gateway/proxy/proxy.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <latch>

#include "base/log.h"

namespace weft::gateway {

namespace {

constexpr auto kLook = std::chrono::milliseconds(20);

}  // namespace

Proxy::Proxy(ProxyOptions options) : options_(std::move(options)) {}

Expected<std::unique_ptr<Proxy>> Proxy::start(ProxyOptions options) {
  std::unique_ptr<Proxy> proxy(new Proxy(std::move(options)));
  ProxyOptions& with = proxy->options_;
  if (with.access_log) proxy->log_ = std::make_unique<AccessLog>(std::move(with.access_log));
  WEFT_TRY(proxy->tls_, TlsServer::create());
  for (unsigned i = 0; i < std::max(with.threads, 1U); ++i) {
    WEFT_TRY(std::unique_ptr<Loop> loop, Loop::create());
    proxy->threads_.push_back(
        {.worker = std::make_unique<Worker>(std::move(loop), with.worker, proxy->tls_, proxy->log_.get())});
  }
  for (Thread& thread : proxy->threads_) {
    thread.thread = std::thread([loop = &thread.worker->loop()] {
      // OpenSSL writes without MSG_NOSIGNAL.
      sigset_t broken_pipe;
      sigemptyset(&broken_pipe);
      sigaddset(&broken_pipe, SIGPIPE);
      pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
      loop->run();
    });
    pthread_setname_np(thread.thread.native_handle(), "proxy");
  }
  if (!with.handover.empty()) proxy->predecessor_ = Predecessor::find(with.handover);
  return proxy;
}

Proxy::~Proxy() {
  handover_.reset();
  for (Thread& thread : threads_) {
    thread.worker->loop().stop();
    if (thread.thread.joinable()) thread.thread.join();
  }
}

void Proxy::on_workers(const std::function<void(Worker&, size_t)>& job) {
  std::latch done(static_cast<ptrdiff_t>(threads_.size()));
  for (size_t i = 0; i < threads_.size(); ++i) {
    Worker& worker = *threads_[i].worker;
    worker.loop().post([&, i] {
      job(worker, i);
      done.count_down();
    });
  }
  done.wait();
}

Expected<std::vector<Fd>> Proxy::sockets(uint16_t port) {
  std::vector<Fd> sockets = predecessor_ ? predecessor_->take(port) : std::vector<Fd>();
  while (sockets.size() < threads_.size()) {
    WEFT_TRY(Fd socket, open_listen_socket(port));
    sockets.push_back(std::move(socket));
  }
  return sockets;
}

std::vector<Error> Proxy::apply(std::shared_ptr<const Snapshot> snapshot) {
  std::vector<Error> errors;
  std::shared_ptr<const Compiled> compiled = compiler_.compile(std::move(snapshot), errors);
  std::map<uint16_t, std::vector<Fd>> opened;
  for (const auto& [port, its] : compiled->ports) {
    if (ports_.contains(port)) continue;
    auto sockets = this->sockets(port);
    if (!sockets) {
      errors.push_back(in_context(its->config().gateway, sockets.error()).error());
      continue;
    }
    ports_.insert(port);
    opened[port] = std::move(*sockets);
  }
  on_workers([&](Worker& worker, size_t i) {
    worker.apply(compiled);
    for (auto& [port, sockets] : opened)
      for (size_t at = i; at < sockets.size(); at += threads_.size()) {
        // The handover keeps copies of them.
        int copy = ::fcntl(sockets[at].get(), F_DUPFD_CLOEXEC, 0);
        if (copy >= 0) worker.listen(port, Fd(copy));
      }
  });
  listen_udp(*compiled, errors);
  if (std::exchange(first_, false)) begin_handover(errors);
  for (auto& [port, sockets] : opened)
    if (handover_) handover_->set_sockets(port, std::move(sockets));
  std::erase_if(ports_, [&](uint16_t port) {
    bool gone = !compiled->ports.contains(port);
    if (gone && handover_) handover_->remove_sockets(port);
    return gone;
  });
  return errors;
}

void Proxy::listen_udp(const Compiled& compiled, std::vector<Error>& errors) {
  std::erase_if(udp_ports_, [&](uint16_t port) { return !compiled.udp_ports.contains(port); });
  std::map<uint16_t, std::vector<Fd>> opened;
  for (const auto& [port, its] : compiled.udp_ports) {
    if (udp_ports_.contains(port)) continue;
    std::vector<Fd> sockets;
    for (size_t i = 0; i < threads_.size(); ++i) {
      auto socket = UdpRelay::open(port);
      if (!socket) {
        errors.push_back(in_context(its->config().gateway, socket.error()).error());
        break;
      }
      sockets.push_back(std::move(*socket));
    }
    if (sockets.size() < threads_.size()) continue;
    udp_ports_.insert(port);
    opened[port] = std::move(sockets);
  }
  if (opened.empty()) return;
  on_workers([&](Worker& worker, size_t i) {
    for (auto& [port, sockets] : opened) worker.listen_udp(port, std::move(sockets[i]));
  });
}

/// The first snapshot is in force: whoever was here before may go, and who comes next may ask.
void Proxy::begin_handover(std::vector<Error>& errors) {
  if (options_.handover.empty()) return;
  if (auto before = std::exchange(predecessor_, nullptr)) before->release();
  auto server = HandoverServer::start(options_.handover, [this] {
    stop_listening(true);
    if (options_.on_handed_over) options_.on_handed_over();
  });
  if (server)
    handover_ = std::move(*server);
  else
    errors.push_back(server.error());
}

void Proxy::stop_listening(bool handed_over) {
  on_workers([&](Worker& worker, size_t) { worker.drain(handed_over); });
}

void Proxy::drain(std::chrono::milliseconds at_most) {
  handover_.reset();
  stop_listening(false);
  auto until = std::chrono::steady_clock::now() + at_most;
  while (stats().connections > 0 && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(kLook);
}

Stats Proxy::stats() const {
  Stats stats;
  for (const Thread& thread : threads_) thread.worker->add_stats(stats);
  return stats;
}

}  // namespace weft::gateway
