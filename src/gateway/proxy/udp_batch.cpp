#include "gateway/proxy/udp_batch.h"

#include <cerrno>

namespace weft::gateway {

void UdpBatch::prepare(bool addresses) {
  for (size_t i = 0; i < kCount; ++i) {
    data[i] = {&bytes[i * kLongest], kLongest};
    msghdr& header = messages[i].msg_hdr;
    header = {.msg_iov = &data[i], .msg_iovlen = 1};
    if (!addresses) continue;
    header.msg_name = &peers[i];
    header.msg_namelen = sizeof peers[i];
    header.msg_control = controls[i].bytes.data();
    header.msg_controllen = controls[i].bytes.size();
  }
}

int UdpBatch::receive(int fd) {
  int count = ::recvmmsg(fd, messages.data(), kCount, MSG_DONTWAIT, nullptr);
  for (int i = 0; i < count; ++i) data[i].iov_len = messages[i].msg_len;
  return count;
}

void UdpBatch::send(int fd, size_t first, size_t count) {
  for (size_t at = first; at < first + count;) {
    int sent = ::sendmmsg(fd, &messages[at], static_cast<unsigned>(first + count - at), MSG_DONTWAIT);
    if (sent > 0)
      at += static_cast<size_t>(sent);
    else if (errno == EAGAIN || errno == EWOULDBLOCK)
      return;
    else if (errno != EINTR)
      ++at;  // this one cannot be sent; others may
  }
}

}  // namespace weft::gateway
