#include "standalone/sandbox/pod_network.h"

#include <unistd.h>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include "standalone/sandbox/netns.h"

namespace weft::standalone::sandbox {

namespace asio = boost::asio;

namespace {

constexpr size_t kThreads = 4;

}  // namespace

struct PodNetwork::Impl {
  Impl(asio::io_context& i, Cni c) : io(i), cni(std::move(c)), pool(kThreads) {}
  asio::io_context& io;
  Cni cni;
  asio::thread_pool pool;
};

PodNetwork::PodNetwork(asio::io_context& io, Cni cni) : impl_(std::make_unique<Impl>(io, std::move(cni))) {}

PodNetwork::~PodNetwork() {
  impl_->pool.stop();
  impl_->pool.join();
}

void PodNetwork::attach(const PodIdentity& pod, PodHost::Attached done) {
  asio::post(impl_->pool, [impl = impl_.get(), pod, done = std::move(done)]() mutable {
    Expected<void> made;
    if (::access(netns_path(pod.netns).c_str(), F_OK) != 0) made = create_netns(pod.netns, pod.sysctls);
    auto result = made ? impl->cni.add(pod) : std::unexpected(made.error());
    asio::post(impl->io,
               [done = std::move(done), result = std::move(result)]() mutable { done(std::move(result)); });
  });
}

void PodNetwork::detach(const PodIdentity& pod, PodHost::Detached done) {
  asio::post(impl_->pool, [impl = impl_.get(), pod, done = std::move(done)]() mutable {
    auto result = impl->cni.remove(pod);
    if (result) result = remove_netns(pod.netns);
    asio::post(impl->io,
               [done = std::move(done), result = std::move(result)]() mutable { done(std::move(result)); });
  });
}

}  // namespace weft::standalone::sandbox
