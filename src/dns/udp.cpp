#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/log.h"
#include "dns/count_traffic.h"
#include "dns/search_walk.h"
#include "dns/worker.h"

namespace weft::dns {
namespace {

constexpr size_t kBatch = 64;
constexpr size_t kQuerySize = 1536;  // bytes; a longer query is malformed for us
constexpr size_t kControlSize = 64;
constexpr int kBatchesARound = 4;  // then other sockets of the thread get their turn
/// So many one after the other, the socket never empty: more comes than can be answered. A full socket that
/// was not looked at for a while is empty again after fewer.
constexpr size_t kOverload = 16'384;

/// Turns the control data of a received datagram into that of its answer: sent from the address it was sent
/// to. The way back is the routing table's choice, except for link-local addresses, which mean nothing
/// without their device.
void reply_from_same_address(msghdr& message) {
  bool found = false;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      info.ipi_spec_dst = info.ipi_addr;
      info.ipi_ifindex = 0;
      std::memcpy(CMSG_DATA(c), &info, sizeof info);
      found = true;
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) info.ipi6_ifindex = 0;
      std::memcpy(CMSG_DATA(c), &info, sizeof info);
      found = true;
    }
  }
  if (!found) message.msg_controllen = 0;
}

}  // namespace

struct UdpListener::Batch {
  std::array<mmsghdr, kBatch> in, out;
  std::array<iovec, kBatch> in_data, out_data;
  std::array<sockaddr_storage, kBatch> peers;
  std::array<std::array<uint8_t, kQuerySize>, kBatch> queries;
  std::array<std::array<uint8_t, kMaxUdpSize>, kBatch> replies;
  struct alignas(cmsghdr) Control {
    std::array<uint8_t, kControlSize> bytes;
  };
  std::array<Control, kBatch> controls;
  size_t out_count = 0;
  std::array<size_t, kBatch> out_index;  ///< of the query that a reply is for
  Poller::Clock::time_point received;
  std::vector<Forwarded> forwarded;

  void reset(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      in_data[i] = {queries[i].data(), queries[i].size()};
      in[i].msg_hdr = {.msg_name = &peers[i],
                       .msg_namelen = sizeof peers[i],
                       .msg_iov = &in_data[i],
                       .msg_iovlen = 1,
                       .msg_control = controls[i].bytes.data(),
                       .msg_controllen = kControlSize,
                       .msg_flags = 0};
    }
  }
};

UdpListener::UdpListener(WorkerContext& context, Fd fd)
    : context_(context), fd_(std::make_shared<Fd>(std::move(fd))), batch_(std::make_unique<Batch>()) {
  batch_->reset(kBatch);
  context_.poller.add(fd_->get(), EPOLLIN, this);
}

UdpListener::~UdpListener() { context_.poller.remove(fd_->get(), this); }

void UdpListener::on_ready(uint32_t) {
  for (int i = 0; i < kBatchesARound && serve_batch(); ++i) {
  }
}

/// True when there may be more.
bool UdpListener::serve_batch() {
  Batch& b = *batch_;
  int received = ::recvmmsg(fd_->get(), b.in.data(), kBatch, MSG_DONTWAIT, nullptr);
  if (received <= 0) return false;
  const auto count = static_cast<size_t>(received);
  note_backlog(count);
  b.received = Poller::Clock::now();
  b.out_count = 0;
  b.forwarded.clear();
  context_.zone.read([&](const Zone& zone) {
    Query query;
    for (size_t i = 0; i < count; ++i) serve(zone, i, query);
  });
  for (const Forwarded& question : b.forwarded) {
    const size_t i = question.index;
    const size_t cached =
        question.walk ? 0 : answer_from_cache(context_, question, Transport::udp, b.replies[i]);
    if (cached > 0) {
      queue_reply(i, cached);
      continue;
    }
    auto peer = SocketAddress::from(b.peers[i]);
    auto client = client_of(context_, device_of(b.in[i].msg_hdr), peer);
    forward(context_, question, client, peer, Transport::udp, sender(i));
  }
  send_replies();
  note_replies();
  b.reset(count);
  return count == kBatch;
}

void UdpListener::note_backlog(size_t count) {
  backlog_ = count == kBatch ? backlog_ + count : 0;
  if (backlog_ < kOverload) return;
  backlog_ = 0;
  context_.clients.note_overload(context_.poller.now());
}

/// One datagram of the batch.
void UdpListener::serve(const Zone& zone, size_t index, Query& query) {
  Batch& b = *batch_;
  const msghdr& header = b.in[index].msg_hdr;
  const bool allowed = context_.clients.allow_by(context_.config->client_rate, context_.poller.now(), [&] {
    return client_of(context_, device_of(header), SocketAddress::from(b.peers[index]));
  });
  if (!allowed) return context_.counters.client_limited.add();
  if ((header.msg_flags & MSG_TRUNC) != 0) return context_.counters.dropped.add();
  auto& out = b.replies[index];
  query.client = SocketAddress::from(b.peers[index]).ip;
  auto response = respond(zone, *context_.overrides, {b.queries[index].data(), b.in[index].msg_len},
                          Transport::udp, out, context_.rotation++, query, context_.answer);
  note_question(response, query, index);
  if (response.outcome == Outcome::drop) return;
  if (response.outcome == Outcome::forward)
    return b.forwarded.push_back(note_forward(context_, index, query));
  const Query* meant = &query;
  Query found;
  if (is_nxdomain({out.data(), response.size})) {
    auto walk = start_walk(context_, zone, query, device_of(header), Transport::udp, out, response.size);
    if (walk.rest) return b.forwarded.push_back({index, query, nullptr, std::move(walk.rest)});
    if (walk.size > 0) {
      response.size = walk.size;
      found = about(query, walk.found);
      meant = &found;
    }
  }
  if (context_.domains.wants(*meant))
    context_.domains.deliver(*meant, {out.data(), response.size}, sender(index));
  else
    queue_reply(index, response.size);
}

void UdpListener::queue_reply(size_t index, size_t size) {
  Batch& b = *batch_;
  b.out_data[b.out_count] = {b.replies[index].data(), size};
  msghdr& header = b.out[b.out_count].msg_hdr;
  header = b.in[index].msg_hdr;
  header.msg_iov = &b.out_data[b.out_count];
  header.msg_flags = 0;
  reply_from_same_address(header);
  b.out_index[b.out_count] = index;
  ++b.out_count;
}

void UdpListener::note_question(const Response& response, const Query& query, size_t index) {
  if (response.outcome == Outcome::drop) return context_.counters.dropped.add();
  if (query.has_question)
    count_question(context_.counters, Transport::udp, batch_->peers[index].ss_family == AF_INET6, query.type);
}

/// Of the whole batch; the clock is read once.
void UdpListener::note_replies() {
  Batch& b = *batch_;
  const auto took = Poller::Clock::now() - b.received;
  for (size_t i = 0; i < b.out_count; ++i) {
    std::span<const uint8_t> answer(static_cast<const uint8_t*>(b.out_data[i].iov_base),
                                    b.out_data[i].iov_len);
    count_answer(context_.counters, answer, took);
    if (context_.config->log_queries)
      spdlog::info(
          "{}", describe_answer(SocketAddress::from(b.peers[b.out_index[i]]), Transport::udp, answer, took));
  }
}

void UdpListener::send_replies() {
  Batch& b = *batch_;
  for (size_t at = 0; at < b.out_count;) {
    int sent = ::sendmmsg(fd_->get(), &b.out[at], static_cast<unsigned>(b.out_count - at), MSG_DONTWAIT);
    if (sent > 0) {
      at += static_cast<size_t>(sent);
    } else if (errno == EAGAIN) {
      return;  // the send buffer is full: the askers will ask again
    } else if (errno != EINTR) {
      ++at;  // this one cannot be sent (no route, say); the others can
    }
  }
}

/// For an answer that goes later, when the batch is another, and the listener gone perhaps.
DomainFeed::Send UdpListener::sender(size_t index) {
  struct Peer {
    sockaddr_storage address;
    socklen_t size;
    Batch::Control control;
    size_t control_size;
    Poller::Clock::time_point received;
  };
  const msghdr& header = batch_->in[index].msg_hdr;
  Peer peer{batch_->peers[index], header.msg_namelen, batch_->controls[index], header.msg_controllen,
            batch_->received};
  return [&context = context_, fd = fd_, peer](std::span<const uint8_t> answer) mutable {
    iovec data{const_cast<uint8_t*>(answer.data()), answer.size()};
    msghdr message{.msg_name = &peer.address,
                   .msg_namelen = peer.size,
                   .msg_iov = &data,
                   .msg_iovlen = 1,
                   .msg_control = peer.control.bytes.data(),
                   .msg_controllen = peer.control_size,
                   .msg_flags = 0};
    reply_from_same_address(message);
    ::sendmsg(fd->get(), &message, MSG_DONTWAIT);
    note_answer(context, SocketAddress::from(peer.address), Transport::udp, answer, peer.received);
  };
}

}  // namespace weft::dns
