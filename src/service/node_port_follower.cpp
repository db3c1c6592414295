#include "service/node_port_follower.h"

#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <utility>

#include "base/address_monitor.h"
#include "base/log.h"
#include "base/netlink.h"

namespace weft::service {
namespace {

/// An interface that is set up gets several addresses at once.
constexpr std::chrono::milliseconds kSettle{20};

}  // namespace

struct NodePortFollower::Impl {
  Impl(asio::io_context& io, NodePortAddresses c, std::vector<IpAddr> p, OnChange o)
      : choice(std::move(c)), primary(std::move(p)), on_change(std::move(o)), notices(io), settle(io) {}

  Expected<void> start();
  Expected<std::vector<IpAddr>> choose() const;
  void wait();
  void update();

  NodePortAddresses choice;
  std::vector<IpAddr> primary, chosen;
  OnChange on_change;
  std::optional<AddressMonitor> monitor;
  asio::posix::stream_descriptor notices;
  asio::steady_timer settle;
};

Expected<void> NodePortFollower::Impl::start() {
  if (choice.follows_links()) {
    WEFT_TRY(auto opened, AddressMonitor::open());
    monitor.emplace(std::move(opened));
    notices.assign(::dup(monitor->fd()));
    wait();
  }
  WEFT_TRY(chosen, choose());
  return {};
}

Expected<std::vector<IpAddr>> NodePortFollower::Impl::choose() const {
  std::vector<IpAddr> all;
  if (choice.follows_links()) {
    WEFT_TRY(auto netlink, Netlink::open());
    WEFT_TRY(auto prefixes, netlink.addresses());
    for (const auto& prefix : prefixes) all.push_back(prefix.addr);
  }
  return choice.choose(primary, all);
}

void NodePortFollower::Impl::wait() {
  notices.async_wait(asio::posix::stream_descriptor::wait_read, [this](boost::system::error_code error) {
    if (error) return;
    settle.expires_after(kSettle);
    settle.async_wait([this](boost::system::error_code late) {
      if (late) return;
      monitor->drain();
      update();
      wait();
    });
  });
}

void NodePortFollower::Impl::update() {
  auto now = choose();
  if (!now) {
    spdlog::error("addresses for node ports stay as they are: {}", now.error().message);
  } else if (*now != chosen) {
    chosen = std::move(*now);
    on_change(chosen);
  }
}

NodePortFollower::NodePortFollower(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
NodePortFollower::~NodePortFollower() = default;

Expected<std::unique_ptr<NodePortFollower>> NodePortFollower::open(asio::io_context& io,
                                                                   NodePortAddresses choice,
                                                                   std::vector<IpAddr> primary,
                                                                   OnChange on_change) {
  auto impl = std::make_unique<Impl>(io, std::move(choice), std::move(primary), std::move(on_change));
  WEFT_CHECK(impl->start());
  return std::unique_ptr<NodePortFollower>(new NodePortFollower(std::move(impl)));
}

void NodePortFollower::set_primary(std::vector<IpAddr> primary) {
  impl_->primary = std::move(primary);
  impl_->update();
}

const std::vector<IpAddr>& NodePortFollower::addresses() const { return impl_->chosen; }

}  // namespace weft::service
