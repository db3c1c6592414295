#pragma once

// What a program at tc has to know of a packet, and how it changes addresses and ports. Checksums are updated
// by their difference, also those that the device is still to complete.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "datapath/edge_layout.h"

#define IPPROTO_ICMPV6 58

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

#define IP_MORE_FRAGMENTS 0x2000
#define IP_FRAGMENT_OFFSET 0x1fff

// Extension headers of IPv6 (RFC 8200, section 4) that are stepped over.
#define HOP_BY_HOP 0
#define ROUTING 43
#define FRAGMENT 44
#define DESTINATION 60
#define MAX_EXTENSIONS 4

enum fragment { WHOLE, FIRST_FRAGMENT, LATER_FRAGMENT };

struct packet {
  struct weft_tuple tuple;
  __u32 l3;  // offsets
  __u32 l4;
  __u32 fragment_id;
  __u8 v6;
  __u8 fragment;
  __u8 tcp_flags;
  __u8 icmp_error;  // `tuple` has no ports; the packet that caused it begins 8 bytes after l4
};

static __always_inline void copy16(__u8* to, const __u8* from) { __builtin_memcpy(to, from, 16); }

static __always_inline int same16(const __u8* a, const __u8* b) {
  const __u32 *x = (const __u32*)a, *y = (const __u32*)b;
  return x[0] == y[0] && x[1] == y[1] && x[2] == y[2] && x[3] == y[3];
}

static __always_inline void map_v4(__u8* to, __be32 addr) {
  __u32* words = (__u32*)to;
  words[0] = 0;
  words[1] = 0;
  words[2] = bpf_htonl(0xffff);
  words[3] = addr;
}

static __always_inline __be32 v4_of(const __u8* mapped) { return ((const __u32*)mapped)[3]; }

static __always_inline int parse_v4(struct __sk_buff* skb, struct packet* p) {
  struct iphdr ip;
  if (bpf_skb_load_bytes(skb, p->l3, &ip, sizeof(ip)) < 0 || ip.version != 4 || ip.ihl < 5) return -1;
  p->l4 = p->l3 + ip.ihl * 4;
  p->tuple.protocol = ip.protocol;
  map_v4(p->tuple.src, ip.saddr);
  map_v4(p->tuple.dst, ip.daddr);
  p->fragment_id = ip.id;
  if (ip.frag_off & bpf_htons(IP_FRAGMENT_OFFSET))
    p->fragment = LATER_FRAGMENT;
  else if (ip.frag_off & bpf_htons(IP_MORE_FRAGMENTS))
    p->fragment = FIRST_FRAGMENT;
  return 0;
}

static __always_inline int parse_v6(struct __sk_buff* skb, struct packet* p) {
  struct ipv6hdr ip;
  if (bpf_skb_load_bytes(skb, p->l3, &ip, sizeof(ip)) < 0 || ip.version != 6) return -1;
  __builtin_memcpy(p->tuple.src, &ip.saddr, 16);
  __builtin_memcpy(p->tuple.dst, &ip.daddr, 16);
  __u8 next = ip.nexthdr;
  __u32 at = p->l3 + sizeof(ip);
  for (int i = 0; i < MAX_EXTENSIONS; i++) {
    if (next != HOP_BY_HOP && next != ROUTING && next != FRAGMENT && next != DESTINATION) break;
    __u8 header[8];
    if (bpf_skb_load_bytes(skb, at, header, sizeof(header)) < 0) return -1;
    if (next == FRAGMENT) {
      __u16 offset = (__u16)(header[2] << 8 | header[3]);
      p->fragment = offset >> 3 ? LATER_FRAGMENT : offset & 1 ? FIRST_FRAGMENT : WHOLE;
      __builtin_memcpy(&p->fragment_id, header + 4, 4);
      at += 8;
    } else {
      at += (header[1] + 1) * 8;
    }
    next = header[0];
  }
  p->tuple.protocol = next;
  p->l4 = at;
  p->v6 = 1;
  return 0;
}

static __always_inline int parse_icmp(struct __sk_buff* skb, struct packet* p) {
  struct {
    __u8 type, code;
    __be16 checksum, id, sequence;
  } icmp;
  if (bpf_skb_load_bytes(skb, p->l4, &icmp, sizeof(icmp)) < 0) return -1;
  int echo = p->v6 ? icmp.type == 128 || icmp.type == 129 : icmp.type == 8 || icmp.type == 0;
  // RFC 792: unreachable, time exceeded, parameter problem; RFC 4443: errors are below 128, 2 is too big.
  p->icmp_error =
      p->v6 ? icmp.type >= 1 && icmp.type <= 4 : icmp.type == 3 || icmp.type == 11 || icmp.type == 12;
  if (!echo) return p->icmp_error ? 0 : -1;
  p->tuple.sport = icmp.id;
  p->tuple.dport = icmp.id;
  return 0;
}

// Ports, of a packet that has them.
static __always_inline int parse_l4(struct __sk_buff* skb, struct packet* p) {
  __u8 protocol = p->tuple.protocol;
  if (protocol == (p->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP)) return parse_icmp(skb, p);
  if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP && protocol != IPPROTO_SCTP) return -1;
  if (bpf_skb_load_bytes(skb, p->l4, &p->tuple.sport, 4) < 0) return -1;
  if (protocol == IPPROTO_TCP && bpf_skb_load_bytes(skb, p->l4 + 13, &p->tcp_flags, 1) < 0) return -1;
  return 0;
}

// Less than 0: none of ours. The ports of a later fragment are not known here.
static __always_inline int parse(struct __sk_buff* skb, struct packet* p) {
  p->l3 = ETH_HLEN;
  int result = -1;
  if (skb->protocol == bpf_htons(ETH_P_IP)) result = parse_v4(skb, p);
  if (skb->protocol == bpf_htons(ETH_P_IPV6)) result = parse_v6(skb, p);
  if (result < 0 || p->fragment == LATER_FRAGMENT) return result;
  return parse_l4(skb, p);
}

static __always_inline int checksum_offset(__u8 protocol) {
  switch (protocol) {
    case IPPROTO_TCP:
      return 16;
    case IPPROTO_UDP:
      return 6;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
      return 2;
    default:
      return 0;  // SCTP's covers neither addresses nor, with equal ports, anything that changes
  }
}

// Where the two addresses begin in the header at l3.
static __always_inline __u32 addresses_at(const struct packet* p) { return p->l3 + (p->v6 ? 8 : 12); }

static __always_inline int store_addresses(struct __sk_buff* skb, const struct packet* p,
                                           const struct weft_tuple* to) {
  if (p->v6) return (int)bpf_skb_store_bytes(skb, addresses_at(p), to, 32, 0);
  __be32 now[2] = {v4_of(to->src), v4_of(to->dst)};
  __be32 was[2] = {v4_of(p->tuple.src), v4_of(p->tuple.dst)};
  __s64 difference = bpf_csum_diff(was, sizeof(was), now, sizeof(now), 0);
  if (bpf_l3_csum_replace(skb, p->l3 + 10, 0, (__u64)difference, 0) < 0) return -1;
  return (int)bpf_skb_store_bytes(skb, addresses_at(p), now, sizeof(now), 0);
}

// The packet gets another tuple; `p` does not change. Of later fragments only the addresses are there.
__noinline int rewrite(struct __sk_buff* skb, const struct packet* p, const struct weft_tuple* to) {
  if (!p || !to) return -1;
  int sum = p->fragment == LATER_FRAGMENT ? 0 : checksum_offset(p->tuple.protocol);
  int icmp = p->tuple.protocol == IPPROTO_ICMP || p->tuple.protocol == IPPROTO_ICMPV6;
  __u64 udp = p->tuple.protocol == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
  if (sum && p->tuple.protocol != IPPROTO_ICMP) {
    __s64 difference = bpf_csum_diff((__be32*)p->tuple.src, 32, (__be32*)to->src, 32, 0);
    if (bpf_l4_csum_replace(skb, p->l4 + sum, 0, (__u64)difference, BPF_F_PSEUDO_HDR | udp) < 0) return -1;
  }
  if (sum) {
    if (to->sport != p->tuple.sport &&
        bpf_l4_csum_replace(skb, p->l4 + sum, p->tuple.sport, to->sport, 2 | udp) < 0)
      return -1;
    // An echo has one identifier, not two ports.
    if (!icmp && to->dport != p->tuple.dport &&
        bpf_l4_csum_replace(skb, p->l4 + sum, p->tuple.dport, to->dport, 2 | udp) < 0)
      return -1;
  }
  if (p->fragment != LATER_FRAGMENT) {
    if (icmp && bpf_skb_store_bytes(skb, p->l4 + 4, &to->sport, 2, 0) < 0) return -1;
    if (!icmp && bpf_skb_store_bytes(skb, p->l4, &to->sport, 4, 0) < 0) return -1;
  }
  return store_addresses(skb, p, to);
}

// One hop less to live. Less than 0: it has none left.
static __always_inline int decrement_ttl(struct __sk_buff* skb, const struct packet* p) {
  __u32 at = p->l3 + (p->v6 ? 7 : 8);
  __u8 ttl = 0;
  if (bpf_skb_load_bytes(skb, at, &ttl, 1) < 0 || ttl <= 1) return -1;
  if (!p->v6) {
    // The time to live is the first byte of its 16 bits.
    __be16 was = bpf_htons((__u16)(ttl << 8)), now = bpf_htons((__u16)((ttl - 1) << 8));
    if (bpf_l3_csum_replace(skb, p->l3 + 10, was, now, 2) < 0) return -1;
  }
  ttl--;
  return (int)bpf_skb_store_bytes(skb, at, &ttl, 1, 0);
}
