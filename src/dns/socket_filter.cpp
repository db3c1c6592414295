#include "dns/socket_filter.h"

#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <limits>

namespace weft::dns {
namespace {

constexpr uint32_t kAncillary = static_cast<uint32_t>(SKF_AD_OFF);
constexpr uint32_t kNetworkHeader = static_cast<uint32_t>(SKF_NET_OFF);
constexpr uint32_t kSource4 = 12, kSource6 = 8;  // of the source address in its header

sock_filter load(uint32_t from) { return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, from); }

class Writer {
 public:
  /// Each client is a block of its own that ends with a verdict or falls through to the next.
  void client(const Thinned& thinned, bool v4) {
    const Client& who = thinned.client;
    if (who.link != 0) {
      compare(kAncillary + SKF_AD_IFINDEX, static_cast<uint32_t>(who.link));
    } else if (who.address.is_v4() == v4) {
      const auto bytes = who.address.bytes();
      for (size_t at = 0; at < bytes.size(); at += 4) {
        uint32_t word;
        std::memcpy(&word, bytes.data() + at, sizeof word);
        compare(kNetworkHeader + (v4 ? kSource4 : kSource6) + static_cast<uint32_t>(at), ntohl(word));
      }
    } else {
      return;
    }
    verdict(thinned.one_in);
  }
  std::vector<sock_filter> finish() {
    program_.push_back(take());
    return std::move(program_);
  }

 private:
  static sock_filter take() { return BPF_STMT(BPF_RET | BPF_K, std::numeric_limits<uint32_t>::max()); }
  void compare(uint32_t from, uint32_t with) {
    program_.push_back(load(from));
    misses_.push_back(program_.size());
    program_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, with, 0, 0));
  }
  void verdict(uint32_t one_in) {
    program_.push_back(load(kAncillary + SKF_AD_RANDOM));
    const uint32_t highest = std::numeric_limits<uint32_t>::max() / one_in;
    program_.push_back(BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, highest, 0, 1));
    program_.push_back(BPF_STMT(BPF_RET | BPF_K, 0));
    program_.push_back(take());
    for (size_t at : misses_) program_[at].jf = static_cast<uint8_t>(program_.size() - at - 1);
    misses_.clear();
  }

  std::vector<sock_filter> program_;
  std::vector<size_t> misses_;  ///< where a block is left when it is about somebody else
};

}  // namespace

std::vector<sock_filter> thinning_filter(std::span<const Thinned> clients, bool v4) {
  Writer writer;
  for (const Thinned& thinned : clients) writer.client(thinned, v4);
  return writer.finish();
}

Expected<void> attach_filter(int socket, std::span<const Thinned> clients, bool v4) {
  if (clients.empty()) {
    const int nothing = 0;
    if (::setsockopt(socket, SOL_SOCKET, SO_DETACH_FILTER, &nothing, sizeof nothing) != 0 && errno != ENOENT)
      return fail_errno("take a filter off a socket", errno);
    return {};
  }
  auto program = thinning_filter(clients, v4);
  const sock_fprog all{.len = static_cast<unsigned short>(program.size()), .filter = program.data()};
  if (::setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &all, sizeof all) != 0)
    return fail_errno("put a filter on a socket", errno);
  return {};
}

Expected<SocketFill> fill_of(int socket) {
  std::array<uint32_t, SK_MEMINFO_VARS> info{};
  socklen_t size = sizeof info;
  if (::getsockopt(socket, SOL_SOCKET, SO_MEMINFO, info.data(), &size) != 0)
    return fail_errno("how full a socket is", errno);
  return SocketFill{info[SK_MEMINFO_RMEM_ALLOC], info[SK_MEMINFO_RCVBUF], info[SK_MEMINFO_DROPS]};
}

}  // namespace weft::dns
