#include "standalone/sandbox/pod_network.h"

#include <unistd.h>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include "base/netns.h"

namespace weft::standalone::sandbox {

namespace asio = boost::asio;

namespace {

constexpr size_t kThreads = 4;

}  // namespace

struct PodNetwork::Impl {
  Impl(asio::io_context& i, CniCalls c, std::string s)
      : io(i), cni(std::move(c)), socket(std::move(s)), pool(kThreads) {}
  asio::io_context& io;
  CniCalls cni;
  std::string socket;
  asio::thread_pool pool;
};

PodNetwork::PodNetwork(asio::io_context& io, CniCalls cni, std::string socket)
    : impl_(std::make_unique<Impl>(io, std::move(cni), std::move(socket))) {}

PodNetwork::~PodNetwork() {
  impl_->pool.stop();
  impl_->pool.join();
}

void PodNetwork::attach(const PodIdentity& pod, PodHost::Attached done) {
  asio::post(impl_->pool, [impl = impl_.get(), pod, done = std::move(done)]() mutable {
    Expected<void> made;
    if (::access(netns_path(pod.netns).c_str(), F_OK) != 0) made = create_netns(pod.netns, pod.sysctls);
    auto result = made ? impl->cni.add(impl->socket, pod) : std::unexpected(made.error());
    asio::post(impl->io,
               [done = std::move(done), result = std::move(result)]() mutable { done(std::move(result)); });
  });
}

void PodNetwork::detach(const PodIdentity& pod, PodHost::Detached done) {
  asio::post(impl_->pool, [impl = impl_.get(), pod, done = std::move(done)]() mutable {
    auto result = impl->cni.remove(impl->socket, pod);
    if (result) result = remove_netns(pod.netns);
    asio::post(impl->io,
               [done = std::move(done), result = std::move(result)]() mutable { done(std::move(result)); });
  });
}

}  // namespace weft::standalone::sandbox
