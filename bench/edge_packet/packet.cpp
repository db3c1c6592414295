#include "packet.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <stdexcept>

namespace weft::bench {
namespace {

constexpr size_t kPayload = 64;
/// Redirected packets lose one at each run.
constexpr uint8_t kHops = 255;

template <class T>
T& at(std::vector<uint8_t>& packet, size_t offset) {
  return *reinterpret_cast<T*>(packet.data() + offset);
}

template <class T>
const T& at(const std::vector<uint8_t>& packet, size_t offset) {
  return *reinterpret_cast<const T*>(packet.data() + offset);
}

void copy(const IpAddr& from, void* to) { std::memcpy(to, from.bytes().data(), from.bytes().size()); }

IpAddr v4_at(const void* bytes) {
  std::array<uint8_t, 4> out{};
  std::memcpy(out.data(), bytes, out.size());
  return IpAddr::v4(out);
}

IpAddr v6_at(const void* bytes) {
  std::array<uint8_t, 16> out{};
  std::memcpy(out.data(), bytes, out.size());
  return IpAddr::v6(out);
}

uint16_t header_sum(const iphdr& ip) {
  uint32_t sum = 0;
  const auto* words = reinterpret_cast<const uint16_t*>(&ip);
  for (size_t i = 0; i < sizeof(ip) / 2; ++i) sum += words[i];
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

bpf_prog_info info_of(int fd, std::span<uint32_t> map_ids = {}) {
  bpf_prog_info info{};
  info.map_ids = reinterpret_cast<uint64_t>(map_ids.data());
  info.nr_map_ids = static_cast<uint32_t>(map_ids.size());
  uint32_t size = sizeof(info);
  if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0) return {};
  return info;
}

}  // namespace

std::vector<uint8_t> make_packet(const Flow& flow, bool syn) {
  bool v6 = flow.src.is_v6();
  uint8_t protocol = flow.tcp ? IPPROTO_TCP : IPPROTO_UDP;
  size_t l4 = flow.tcp ? sizeof(tcphdr) : sizeof(udphdr);
  size_t l3 = v6 ? sizeof(ipv6hdr) : sizeof(iphdr);
  std::vector<uint8_t> packet(ETH_HLEN + l3 + l4 + kPayload);
  auto& ethernet = at<ethhdr>(packet, 0);
  ethernet.h_proto = htons(v6 ? ETH_P_IPV6 : ETH_P_IP);
  ethernet.h_dest[0] = ethernet.h_source[0] = 2;
  if (v6) {
    auto& ip = at<ipv6hdr>(packet, ETH_HLEN);
    ip.version = 6;
    ip.payload_len = htons(static_cast<uint16_t>(l4 + kPayload));
    ip.nexthdr = protocol;
    ip.hop_limit = kHops;
    copy(flow.src, &ip.saddr);
    copy(flow.dst, &ip.daddr);
  } else {
    auto& ip = at<iphdr>(packet, ETH_HLEN);
    ip.version = 4;
    ip.ihl = 5;
    ip.tot_len = htons(static_cast<uint16_t>(packet.size() - ETH_HLEN));
    ip.ttl = kHops;
    ip.protocol = protocol;
    copy(flow.src, &ip.saddr);
    copy(flow.dst, &ip.daddr);
    ip.check = header_sum(ip);
  }
  // Both begin with the ports. The checksum only has to be there: it is changed by differences.
  auto& ports = at<udphdr>(packet, ETH_HLEN + l3);
  if (flow.tcp) {
    auto& tcp = at<tcphdr>(packet, ETH_HLEN + l3);
    tcp.doff = sizeof(tcphdr) / 4;
    tcp.syn = syn;
    tcp.ack = !syn;
    tcp.check = 0x1234;
  } else {
    ports.len = htons(static_cast<uint16_t>(l4 + kPayload));
    ports.check = 0x1234;
  }
  ports.source = htons(flow.sport);
  ports.dest = htons(flow.dport);
  return packet;
}

Flow flow_of(const std::vector<uint8_t>& packet) {
  Flow flow;
  bool v6 = at<ethhdr>(packet, 0).h_proto == htons(ETH_P_IPV6);
  size_t l4 = ETH_HLEN + (v6 ? sizeof(ipv6hdr) : sizeof(iphdr));
  if (v6) {
    const auto& ip = at<ipv6hdr>(packet, ETH_HLEN);
    flow = {ip.nexthdr == IPPROTO_TCP, v6_at(&ip.saddr), v6_at(&ip.daddr)};
  } else {
    const auto& ip = at<iphdr>(packet, ETH_HLEN);
    flow = {ip.protocol == IPPROTO_TCP, v4_at(&ip.saddr), v4_at(&ip.daddr)};
  }
  flow.sport = ntohs(at<udphdr>(packet, l4).source);
  flow.dport = ntohs(at<udphdr>(packet, l4).dest);
  return flow;
}

weft_tuple tuple_of(const Flow& flow) {
  weft_tuple tuple{.sport = htons(flow.sport),
                   .dport = htons(flow.dport),
                   .protocol = static_cast<uint8_t>(flow.tcp ? IPPROTO_TCP : IPPROTO_UDP)};
  std::memcpy(tuple.src, flow.src.mapped().data(), sizeof(tuple.src));
  std::memcpy(tuple.dst, flow.dst.mapped().data(), sizeof(tuple.dst));
  return tuple;
}

Program Program::empty(bool xdp) {
  // r0 = 0 (TC_ACT_OK) or 2 (XDP_PASS); exit
  const bpf_insn code[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = xdp ? 2 : 0},
                           {.code = BPF_JMP | BPF_EXIT}};
  Program out;
  out.xdp_ = xdp;
  out.fd_.reset(bpf_prog_load(xdp ? BPF_PROG_TYPE_XDP : BPF_PROG_TYPE_SCHED_CLS, "empty", "GPL", code,
                              std::size(code), nullptr));
  if (!out.fd_) throw std::runtime_error(std::string("load an empty program: ") + std::strerror(errno));
  return out;
}

Program Program::find(const std::string& name, uint32_t map) {
  for (uint32_t id = 0; bpf_prog_get_next_id(id, &id) == 0;) {
    Fd fd(bpf_prog_get_fd_by_id(id));
    if (!fd) continue;  // gone meanwhile
    std::array<uint32_t, 64> maps{};
    auto info = info_of(fd.get(), maps);
    if (info.name != name || std::ranges::find(maps, map) == maps.end()) continue;
    Program out;
    out.xdp_ = info.type == BPF_PROG_TYPE_XDP;
    out.fd_ = std::move(fd);
    return out;
  }
  return {};
}

Run Program::run(const std::vector<uint8_t>& packet, int link, int repeat) const {
  Run out{.packet = std::vector<uint8_t>(packet.size() + 256)};
  __sk_buff skb{};
  skb.ifindex = static_cast<uint32_t>(link);
  xdp_md frame{};
  frame.data_end = static_cast<uint32_t>(packet.size());
  frame.ingress_ifindex = static_cast<uint32_t>(link);
  LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet.data(), .data_out = out.packet.data(),
              .data_size_in = static_cast<uint32_t>(packet.size()),
              .data_size_out = static_cast<uint32_t>(out.packet.size()), .ctx_in = &skb,
              .ctx_size_in = sizeof(skb), .repeat = repeat);
  if (xdp_) {
    opts.ctx_in = &frame;
    opts.ctx_size_in = sizeof(frame);
  }
  if (int rc = bpf_prog_test_run_opts(fd_.get(), &opts); rc < 0)
    throw std::runtime_error(std::string("BPF_PROG_TEST_RUN: ") + std::strerror(-rc));
  out.packet.resize(opts.data_size_out);
  out.verdict = opts.retval;
  out.nanoseconds = opts.duration;
  return out;
}

Fd open_edge_map(const std::string& bpf_dir, const std::string& name) {
  for (const auto& layout : std::filesystem::directory_iterator(bpf_dir + "/edge")) {
    Fd map(bpf_obj_get((layout.path() / name).c_str()));
    if (map) return map;
  }
  throw std::runtime_error("no map " + name + " is pinned below " + bpf_dir + "/edge");
}

uint32_t map_id(const Fd& map) {
  bpf_map_info info{};
  uint32_t size = sizeof(info);
  return bpf_obj_get_info_by_fd(map.get(), &info, &size) < 0 ? 0 : info.id;
}

}  // namespace weft::bench
