// A client's flood of small datagrams, and where they end.
#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "flood_layout.h"

#define FLOWS 1024

// The first of them, with its checksums.
struct datagram datagram;
// Packets go to so many addresses in turn, from the datagram's on.
__u32 targets = 1;
__u32 sent;
__u64 received;

// The checksum when words of the packet have become greater by `added` in all.
static __always_inline __sum16 adjusted(__sum16 check, __u32 added) {
  __u32 sum = (__u16)~bpf_ntohs(check) + added;
  sum = (sum & 0xffff) + (sum >> 16);
  return bpf_htons((__u16) ~(sum + (sum >> 16)));
}

// Runs on frames that then arrive on a link. What became of an earlier packet is still in the frame.
SEC("xdp")
int flood(struct xdp_md* ctx) {
  struct datagram* out = (void*)(long)ctx->data;
  if ((void*)(out + 1) > (void*)(long)ctx->data_end) return XDP_DROP;
  *out = datagram;
  __u32 flow = sent++ % FLOWS, target = flow % targets;
  out->udp.source = bpf_htons(bpf_ntohs(out->udp.source) + flow);
  out->ip.daddr = bpf_htonl(bpf_ntohl(out->ip.daddr) + target);
  out->ip.check = adjusted(out->ip.check, target);
  out->udp.check = adjusted(out->udp.check, flow + target);
  return XDP_PASS;
}

SEC("tc")
int sink(struct __sk_buff* ctx) {
  struct datagram* in = (void*)(long)ctx->data;
  if ((void*)(in + 1) > (void*)(long)ctx->data_end || in->ip.protocol != IPPROTO_UDP) return TC_ACT_UNSPEC;
  received++;
  return TC_ACT_SHOT;
}

char _license[] SEC("license") = "GPL";
