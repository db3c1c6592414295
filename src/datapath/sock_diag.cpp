#include "datapath/sock_diag.h"

#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

namespace weft::datapath {

Expected<SockDiag> SockDiag::open(uint8_t protocol) {
  SockDiag diag;
  diag.protocol_ = protocol;
  diag.fd_.reset(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!diag.fd_) return fail_errno("open sock_diag socket", errno);
  return diag;
}

Expected<void> SockDiag::send(uint16_t type, uint16_t flags, const inet_diag_req_v2& request) {
  struct {
    nlmsghdr header;
    inet_diag_req_v2 request;
  } message{};
  message.header.nlmsg_len = sizeof(message);
  message.header.nlmsg_type = type;
  message.header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  message.request = request;
  if (::send(fd_.get(), &message, sizeof(message), 0) < 0) return fail_errno("sock_diag request", errno);
  return {};
}

Expected<void> SockDiag::dump(uint8_t family, const std::function<void(const inet_diag_msg&)>& each) {
  inet_diag_req_v2 request{};
  request.sdiag_family = family;
  request.sdiag_protocol = protocol_;
  request.idiag_states = ~0U;
  WEFT_CHECK(send(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, request));
  alignas(nlmsghdr) char buffer[32'768];
  for (;;) {
    ssize_t size = ::recv(fd_.get(), buffer, sizeof(buffer), 0);
    if (size < 0) return fail_errno("sock_diag answer", errno);
    auto left = static_cast<uint32_t>(size);
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(header, left);
         header = NLMSG_NEXT(header, left)) {
      if (header->nlmsg_type == NLMSG_DONE) return {};
      if (header->nlmsg_type == NLMSG_ERROR) {
        return fail_errno("sock_diag dump", -static_cast<nlmsgerr*>(NLMSG_DATA(header))->error);
      }
      if (header->nlmsg_len >= NLMSG_LENGTH(sizeof(inet_diag_msg))) {
        each(*static_cast<inet_diag_msg*>(NLMSG_DATA(header)));
      }
    }
  }
}

Expected<bool> SockDiag::destroy(const inet_diag_msg& socket) {
  inet_diag_req_v2 request{};
  request.sdiag_family = socket.idiag_family;
  request.sdiag_protocol = protocol_;
  request.idiag_states = ~0U;
  request.id = socket.id;
  WEFT_CHECK(send(SOCK_DESTROY, NLM_F_ACK, request));
  alignas(nlmsghdr) char buffer[4'096];
  ssize_t size = ::recv(fd_.get(), buffer, sizeof(buffer), 0);
  if (size < 0) return fail_errno("sock_diag answer", errno);
  auto* header = reinterpret_cast<nlmsghdr*>(buffer);
  if (!NLMSG_OK(header, static_cast<uint32_t>(size)) || header->nlmsg_type != NLMSG_ERROR) {
    return fail(ErrorCode::internal, "sock_diag answer is not an acknowledgement");
  }
  int err = -static_cast<nlmsgerr*>(NLMSG_DATA(header))->error;
  if (err == 0) return true;
  if (err == ENOENT || err == ESTALE) return false;
  if (err == EOPNOTSUPP) {
    return fail(ErrorCode::unavailable,
                "the kernel cannot end sockets (CONFIG_INET_DIAG_DESTROY is not set)");
  }
  return fail_errno("sock_diag SOCK_DESTROY", err);
}

}  // namespace weft::datapath
