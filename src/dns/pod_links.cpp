#include "dns/pod_links.h"

#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <mutex>

#include "base/log.h"
#include "base/pod_alias.h"

namespace weft::dns {
namespace {

constexpr size_t kBuffer = 64 * 1024;
constexpr int kReceiveBuffer = 1 << 20;  ///< bytes; a thousand pods that come at once
constexpr int kListTimeout = 2000;       ///< milliseconds

std::string_view alias_of(const ifinfomsg* info, size_t size) {
  auto left = static_cast<int>(size);
  for (const auto* attribute = IFLA_RTA(info); RTA_OK(attribute, left);
       attribute = RTA_NEXT(attribute, left)) {
    if (attribute->rta_type != IFLA_IFALIAS) continue;
    const auto* text = static_cast<const char*>(RTA_DATA(attribute));
    return {text, ::strnlen(text, RTA_PAYLOAD(attribute))};
  }
  return {};
}

}  // namespace

Expected<std::unique_ptr<PodLinks>> PodLinks::open() {
  Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  if (!fd) return fail_errno("open a netlink socket", errno);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK;
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return fail_errno("listen for changes of links", errno);
  std::unique_ptr<PodLinks> links(new PodLinks(std::move(fd)));
  WEFT_CHECK(links->ask_for_all());
  while (links->listing_) {
    pollfd ready{.fd = links->fd(), .events = POLLIN, .revents = 0};
    if (::poll(&ready, 1, kListTimeout) == 0)
      return fail(ErrorCode::timeout, "the kernel does not list its links");
    links->on_ready(0);
  }
  return links;
}

Expected<void> PodLinks::ask_for_all() {
  struct {
    nlmsghdr header;
    ifinfomsg info;
    rtattr attribute;
    uint32_t filter;
  } request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = RTM_GETLINK;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.attribute = {.rta_len = RTA_LENGTH(sizeof request.filter), .rta_type = IFLA_EXT_MASK};
  request.filter = RTEXT_FILTER_SKIP_STATS;
  if (::send(fd_.get(), &request, sizeof request, 0) < 0) return fail_errno("list the links", errno);
  listing_ = true;
  missed_ = false;
  listed_.clear();
  return {};
}

void PodLinks::on_ready(uint32_t) {
  alignas(nlmsghdr) static thread_local std::array<char, kBuffer> buffer;
  while (true) {
    sockaddr_nl sender{};
    socklen_t sender_size = sizeof sender;
    ssize_t size = ::recvfrom(fd_.get(), buffer.data(), buffer.size(), 0,
                              reinterpret_cast<sockaddr*>(&sender), &sender_size);
    if (size > 0) {
      // Any process may send here; only the kernel knows.
      if (sender.nl_pid == 0) take(buffer.data(), static_cast<size_t>(size));
    } else if (size < 0 && errno == ENOBUFS) {
      missed_ = true;
      if (listing_) continue;
      if (auto asked = ask_for_all(); !asked) spdlog::warn("links of pods: {}", asked.error().message);
    } else if (size == 0 || errno != EINTR) {
      return;
    }
  }
}

void PodLinks::take(const char* message, size_t size) {
  const auto* header = reinterpret_cast<const nlmsghdr*>(message);
  for (; NLMSG_OK(header, size); header = NLMSG_NEXT(header, size)) {
    if ((header->nlmsg_flags & NLM_F_DUMP_INTR) != 0) missed_ = true;
    switch (header->nlmsg_type) {
      case RTM_NEWLINK:
      case RTM_DELLINK:
        take_link(header, header->nlmsg_type == RTM_DELLINK);
        break;
      case NLMSG_DONE:
      case NLMSG_ERROR:
        list_done();
        break;
      default:
        break;
    }
  }
}

void PodLinks::take_link(const void* message, bool gone) {
  const auto* header = static_cast<const nlmsghdr*>(message);
  if (header->nlmsg_len < NLMSG_LENGTH(sizeof(ifinfomsg))) return;
  const auto* info = static_cast<const ifinfomsg*>(NLMSG_DATA(header));
  if (info->ifi_family != AF_UNSPEC) return;  // what a bridge tells of its ports
  auto alias = gone ? std::nullopt
                    : parse_pod_alias(alias_of(info, header->nlmsg_len - NLMSG_LENGTH(sizeof(ifinfomsg))));
  auto note = [&](std::map<int, std::string>& links) {
    if (alias)
      links[info->ifi_index] = alias->namespace_;
    else
      links.erase(info->ifi_index);
  };
  if (listing_) note(listed_);
  std::unique_lock lock(mutex_);
  note(namespaces_);
}

void PodLinks::list_done() {
  if (!listing_) return;
  listing_ = false;
  {
    std::unique_lock lock(mutex_);
    namespaces_ = listed_;
  }
  listed_.clear();
  if (!missed_) return;
  if (auto asked = ask_for_all(); !asked) spdlog::warn("links of pods: {}", asked.error().message);
}

bool PodLinks::is_pod(int link) const {
  std::shared_lock lock(mutex_);
  return namespaces_.contains(link);
}

std::string PodLinks::namespace_of(int link) const {
  std::shared_lock lock(mutex_);
  auto at = namespaces_.find(link);
  return at == namespaces_.end() ? std::string() : at->second;
}

}  // namespace weft::dns
