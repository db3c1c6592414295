#include "flood.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>

#include "../must.h"
#include "../service_load.h"
#include "base/netlink.h"
#include "flood_layout.h"
// Needs it.
#include "flood.skel.h"

namespace weft::bench {
namespace {

constexpr size_t kFrame = 64;
// Beginning and ending a run takes the kernel some 20 ms.
constexpr int kFramesAtOnce = 1 << 18;
constexpr uint8_t kTtl = 64;
constexpr uint16_t kFirstPort = 20000;
const char* const kClient = "172.30.0.250";

/// RFC 1071; `more` is added to it.
template <class Bytes>
uint16_t sum_of(const Bytes& bytes, uint32_t more = 0) {
  std::array<uint16_t, sizeof(bytes) / 2> words{};
  std::memcpy(words.data(), &bytes, sizeof(bytes));
  uint32_t sum = more;
  for (uint16_t word : words) sum += word;
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

int attach_sink(const bpf_program* sink, const Fd& pod) {
  int result = -1;
  World::in(pod, [&] {
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = static_cast<int>(if_nametoindex("eth0")),
                .attach_point = BPF_TC_INGRESS);
    LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = bpf_program__fd(sink), .flags = BPF_TC_F_REPLACE,
                .handle = 1, .priority = 1);
    bpf_tc_hook_create(&hook);
    result = bpf_tc_attach(&hook, &options);
  });
  return result;
}

}  // namespace

struct Flood::Programs {
  flood_bpf* object = nullptr;
  int uplink = 0;
  ~Programs() { flood_bpf__destroy(object); }
};

Flood::Flood(const Fd& node, const Fd& pod, const Target& target)
    : node_(dup(node.get())), programs_(std::make_unique<Programs>()) {
  auto* object = programs_->object = flood_bpf__open_and_load();
  require(object != nullptr, "load the flood's programs");
  auto& out = object->bss->datagram;
  out.ip = {.ihl = sizeof(iphdr) / 4,
            .version = 4,
            .tot_len = htons(kFrame - sizeof(ethhdr)),
            .ttl = kTtl,
            .protocol = IPPROTO_UDP,
            .saddr = address(kClient, 0).sin_addr.s_addr,
            .daddr = address(target.first, 0).sin_addr.s_addr};
  out.ip.check = sum_of(out.ip);
  out.udp = {.source = htons(kFirstPort),
             .dest = htons(static_cast<uint16_t>(target.port)),
             .len = htons(kFrame - sizeof(ethhdr) - sizeof(iphdr))};
  // Of the pseudo header, the header and a payload of zeros.
  uint16_t addresses = sum_of(std::array{out.ip.saddr, out.ip.daddr});
  out.udp.check = sum_of(out.udp, static_cast<uint16_t>(~addresses) + htons(IPPROTO_UDP) + out.udp.len);
  out.ethernet.h_proto = htons(ETH_P_IP);
  object->data->targets = static_cast<uint32_t>(target.count);
  World::in(node_, [&] {
    auto uplink = must(must(Netlink::open()).find_link("uplink"));
    require(uplink.has_value(), "uplink");
    programs_->uplink = uplink->index;
    std::ranges::copy(uplink->mac, out.ethernet.h_dest);
  });
  require(attach_sink(object->progs.sink, pod) == 0, "attach the sink");
}

Flood::~Flood() = default;

double Flood::run() {
  std::array<uint8_t, kFrame> frame{};
  xdp_md context{};
  context.data_end = kFrame;
  context.ingress_ifindex = static_cast<uint32_t>(programs_->uplink);
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.data(), .data_size_in = kFrame, .ctx_in = &context,
              .ctx_size_in = sizeof(context), .repeat = kFramesAtOnce, .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
  auto& received = programs_->object->bss->received;
  uint64_t before = received;
  double seconds = 0;
  World::in(node_, [&] {
    auto start = Clock::now();
    require(bpf_prog_test_run_opts(bpf_program__fd(programs_->object->progs.flood), &options) == 0,
            "send the flood");
    seconds = std::chrono::duration<double>(Clock::now() - start).count();
  });
  require(received - before > kFramesAtOnce / 2, "most of the flood was lost");
  return static_cast<double>(received - before) / seconds;
}

}  // namespace weft::bench
