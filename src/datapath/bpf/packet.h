#pragma once

// What a program at tc or XDP has to know of a packet, and how it changes addresses and ports. Checksums are
// updated by their difference, at tc also those that the device is still to complete. The same code for both:
// a file that is for XDP defines WEFT_XDP before it includes this.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "datapath/bpf/crc32c.h"
#include "datapath/edge_layout.h"

#ifdef WEFT_XDP
typedef struct xdp_md context;
#define PASS XDP_PASS
#define DROP XDP_DROP
#else
typedef struct __sk_buff context;
#define PASS TC_ACT_OK
#define DROP TC_ACT_SHOT
#endif

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

// Headers begin and end within so many bytes, those inside an ICMP error too.
#define MAX_HEADERS 511
// What nearly every packet needs: Ethernet, IPv6, TCP without options.
#define USUAL_HEADERS 74
// Ethernet, IPv4, UDP: what has less has none of it elsewhere.
#define LEAST_HEADERS 42

enum fragment { WHOLE, FIRST_FRAGMENT, LATER_FRAGMENT };

struct packet {
  struct weft_tuple tuple;
  __u32 l3;  // offsets
  __u32 l4;
  __u32 fragment_id;
  __u16 l4_length;  // as the IP header says
  __u8 v6;
  __u8 fragment;
  __u8 tcp_flags;
  __u8 icmp_error;  // `tuple` has no ports; the packet that caused it begins 8 bytes after l4
};

// An address, in whole words: every struct that has one is aligned to them.
static __always_inline void copy16(__u8* to, const __u8* from) {
  __builtin_memcpy(__builtin_assume_aligned(to, 4), __builtin_assume_aligned(from, 4), 16);
}

// Both addresses of a tuple.
static __always_inline void copy32(__u8* to, const __u8* from) {
  __builtin_memcpy(__builtin_assume_aligned(to, 8), __builtin_assume_aligned(from, 8), 32);
}

static __always_inline int same16(const __u8* a, const __u8* b) {
  const __u32 *x = (const __u32*)a, *y = (const __u32*)b;
  return x[0] == y[0] && x[1] == y[1] && x[2] == y[2] && x[3] == y[3];
}

// What is written to a tuple in small pieces and read in larger ones a moment later makes the processor wait.
// So it is put together first.
static __always_inline void store_words(void* to, __u32 a, __u32 b) {
  __u64 both = a | (__u64)b << 32;
  __builtin_memcpy(to, &both, 8);
}

static __always_inline void map_v4(__u8* to, __be32 addr) {
  store_words(to, 0, 0);
  store_words(to + 8, bpf_htonl(0xffff), addr);
}

static __always_inline void set_ports(struct weft_tuple* tuple, __u32 ports, __u8 protocol) {
  store_words(&tuple->sport, ports, protocol);
}

static __always_inline __be32 v4_of(const __u8* mapped) { return ((const __u32*)mapped)[3]; }

// The verifier knows a pointer only when it is loaded and kept in one piece, which the compiler does not
// always do with fields of 32 bits.
#define POINTER(ctx, field)                                                                           \
  ({                                                                                                  \
    void* pointer;                                                                                    \
    asm volatile("%0 = *(u32 *)(%1 + %2)" : "=r"(pointer) : "r"(ctx), "i"(offsetof(context, field))); \
    pointer;                                                                                          \
  })

// So many bytes of the packet; 0: it does not reach that far. Any call that changes the packet ends it.
static __always_inline void* bytes_at(context* ctx, __u32 offset, __u32 size) {
  if (offset > MAX_HEADERS) return 0;
  void* begin = POINTER(ctx, data) + offset;
  return begin + size > POINTER(ctx, data_end) ? 0 : begin;
}

static __always_inline int parse_v4(context* ctx, struct packet* p) {
  const struct iphdr* ip = bytes_at(ctx, p->l3, sizeof(*ip));
  if (!ip || ip->version != 4 || ip->ihl < 5) return -1;
  __u32 header = ip->ihl * 4;
  p->l4 = p->l3 + header;
  p->l4_length = (__u16)(bpf_ntohs(ip->tot_len) - header);
  set_ports(&p->tuple, 0, ip->protocol);
  map_v4(p->tuple.src, ip->saddr);
  map_v4(p->tuple.dst, ip->daddr);
  p->fragment_id = ip->id;
  if (ip->frag_off & bpf_htons(IP_FRAGMENT_OFFSET))
    p->fragment = LATER_FRAGMENT;
  else if (ip->frag_off & bpf_htons(IP_MORE_FRAGMENTS))
    p->fragment = FIRST_FRAGMENT;
  return 0;
}

static __always_inline int is_extension(__u8 next) {
  return next == HOP_BY_HOP || next == ROUTING || next == FRAGMENT || next == DESTINATION;
}

// Steps over the extension headers at l4, of which the first is `next`. The header behind them, or less than
// 0.
__noinline int skip_extensions(context* ctx, struct packet* p, __u8 next) {
  if (!p) return -1;
  __u32 at = p->l4;
  for (int i = 0; i < MAX_EXTENSIONS; i++) {
    if (!is_extension(next)) break;
    const __u8* header = bytes_at(ctx, at, 8);
    if (!header) return -1;
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
  p->l4_length -= (__u16)(at - p->l4);
  p->l4 = at;
  return next;
}

static __always_inline int parse_v6(context* ctx, struct packet* p) {
  const struct ipv6hdr* ip = bytes_at(ctx, p->l3, sizeof(*ip));
  if (!ip || ip->version != 6) return -1;
  for (int i = 0; i < 4; i += 2) {
    store_words(p->tuple.src + 4 * i, ip->saddr.s6_addr32[i], ip->saddr.s6_addr32[i + 1]);
    store_words(p->tuple.dst + 4 * i, ip->daddr.s6_addr32[i], ip->daddr.s6_addr32[i + 1]);
  }
  p->v6 = 1;
  p->l4 = p->l3 + sizeof(*ip);
  p->l4_length = bpf_ntohs(ip->payload_len);
  int next = ip->nexthdr;
  if (is_extension((__u8)next)) next = skip_extensions(ctx, p, (__u8)next);
  if (next < 0) return -1;
  set_ports(&p->tuple, 0, (__u8)next);
  return 0;
}

static __always_inline int parse_icmp(context* ctx, struct packet* p) {
  const struct {
    __u8 type, code;
    __be16 checksum, id, sequence;
  }* icmp = bytes_at(ctx, p->l4, 8);
  if (!icmp) return -1;
  int echo = p->v6 ? icmp->type == 128 || icmp->type == 129 : icmp->type == 8 || icmp->type == 0;
  // RFC 792: unreachable, time exceeded, parameter problem; RFC 4443: errors are below 128, 2 is too big.
  p->icmp_error =
      p->v6 ? icmp->type >= 1 && icmp->type <= 4 : icmp->type == 3 || icmp->type == 11 || icmp->type == 12;
  if (!echo) return p->icmp_error ? 0 : -1;
  set_ports(&p->tuple, icmp->id | (__u32)icmp->id << 16, p->tuple.protocol);
  return 0;
}

// Ports, of a packet that has them.
static __always_inline int parse_l4(context* ctx, struct packet* p) {
  __u8 protocol = p->tuple.protocol;
  if (protocol == (p->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP)) return parse_icmp(ctx, p);
  if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP && protocol != IPPROTO_SCTP) return -1;
  const __u32* ports = bytes_at(ctx, p->l4, 8);
  if (!ports) return -1;
  set_ports(&p->tuple, *ports, protocol);
  if (protocol != IPPROTO_TCP) return 0;
  const __u8* flags = bytes_at(ctx, p->l4 + 13, 1);
  if (!flags) return -1;
  p->tcp_flags = *flags;
  return 0;
}

// At tc the headers may lie elsewhere than where programs can look.
static __always_inline void pull_headers(context* ctx, __u32 size) {
#ifdef WEFT_XDP
  (void)ctx, (void)size;
#else
  void *begin = POINTER(ctx, data), *end = POINTER(ctx, data_end);
  if (begin + LEAST_HEADERS > end || (ctx->len >= size && begin + size > end))
    bpf_skb_pull_data(ctx, ctx->len < MAX_HEADERS ? ctx->len : MAX_HEADERS);
#endif
}

static __always_inline __be16 ethernet_type(context* ctx) {
#ifdef WEFT_XDP
  const struct ethhdr* ethernet = bytes_at(ctx, 0, sizeof(*ethernet));
  return ethernet ? ethernet->h_proto : 0;
#else
  return (__be16)ctx->protocol;
#endif
}

// Addresses and protocol. Less than 0: no IP packet.
static __always_inline int parse_ip(context* ctx, struct packet* p) {
  pull_headers(ctx, USUAL_HEADERS);
  p->l3 = ETH_HLEN;
  __be16 type = ethernet_type(ctx);
  if (type == bpf_htons(ETH_P_IP)) return parse_v4(ctx, p);
  return type == bpf_htons(ETH_P_IPV6) ? parse_v6(ctx, p) : -1;
}

// Less than 0: none of ours. The ports of a later fragment are not known here.
static __always_inline int parse(context* ctx, struct packet* p) {
  int result = parse_ip(ctx, p);
  if (result < 0 || p->fragment == LATER_FRAGMENT) return result;
  return parse_l4(ctx, p);
}

// What a checksum (RFC 1624) has to take up when these words change, for the helpers and update_sum.
static __always_inline __u32 words_change(const __u32* was, const __u32* now, int count) {
  __u64 sum = 0;
  for (int i = 0; i < count; i++) sum += (__u64)(__u32)~was[i] + now[i];
  sum = (sum & 0xffffffff) + (sum >> 32);
  return (__u32)((sum & 0xffffffff) + (sum >> 32));
}

static __always_inline __be16 updated_sum(__be16 field, __u32 change) {
  __u32 sum = (__u16)~field;
  sum += (change & 0xffff) + (change >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return (__be16)~sum;
}

// Of TCP, UDP or ICMP at offset `sum`. `pseudo`: what changed is in the pseudo header, not in the packet's
// own bytes; devices that complete checksums take those into account themselves.
static __always_inline int update_sum(context* ctx, __u32 sum, __u32 change, int pseudo, int udp) {
  if (!change) return 0;
#ifdef WEFT_XDP
  (void)pseudo;
  __be16* field = bytes_at(ctx, sum, 2);
  if (!field) return -1;
  if (udp && !*field) return 0;  // the sender left it out (RFC 768)
  __be16 next = updated_sum(*field, change);
  *field = udp && !next ? 0xffff : next;
  return 0;
#else
  return (int)bpf_l4_csum_replace(
      ctx, sum, 0, change, (__u64)((pseudo ? BPF_F_PSEUDO_HDR : 0) | (udp ? BPF_F_MARK_MANGLED_0 : 0)));
#endif
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
      return 0;  // SCTP's is of another kind
  }
}

static __always_inline int store_addresses(context* ctx, const struct packet* p,
                                           const struct weft_tuple* to) {
  if (p->v6) {
    void* addresses = bytes_at(ctx, p->l3 + 8, 32);
    if (!addresses) return -1;
    __builtin_memcpy(__builtin_assume_aligned(addresses, 4), to, 32);
    return 0;
  }
  struct iphdr* ip = bytes_at(ctx, p->l3, sizeof(*ip));
  if (!ip) return -1;
  __be32 now[2] = {v4_of(to->src), v4_of(to->dst)};
  __be32 was[2] = {ip->saddr, ip->daddr};
  ip->check = updated_sum(ip->check, words_change(was, now, 2));
  ip->saddr = now[0];
  ip->daddr = now[1];
  return 0;
}

// SCTP's checksum (RFC 9260, 6.8) covers the ports and all that follows. A first fragment does not have it
// all.
static __always_inline int update_sctp_sum(context* ctx, const struct packet* p,
                                           const struct weft_tuple* to) {
  __u32 was = (__u32)p->tuple.sport | (__u32)p->tuple.dport << 16;
  __u32 now = (__u32)to->sport | (__u32)to->dport << 16;
  if (was == now) return 0;
  if (p->fragment != WHOLE || p->l4_length < 12) return -1;
  __u32* field = bytes_at(ctx, p->l4 + 8, 4);
  if (!field) return -1;
  __u32 change = crc32c_change(was ^ now, (__u32)p->l4_length - 4);
  field = bytes_at(ctx, p->l4 + 8, 4);
  if (!field) return -1;
  *field ^= change;
  return 0;
}

// Two changes at once: of the pseudo header and of the packet's own bytes. At tc only a helper knows whether
// the device is still to complete the checksum, and then takes up the first alone. What it made of the first
// tells which it was, and saves calling it a second time.
static __always_inline int update_both(context* ctx, __u32 sum, __u32 pseudo, __u32 own, int udp) {
#ifdef WEFT_XDP
  __u64 both = (__u64)pseudo + own;
  return update_sum(ctx, sum, (__u32)((both & 0xffffffff) + (both >> 32)), 0, udp);
#else
  if (pseudo % 0xffff == 0) {
    if (update_sum(ctx, sum, pseudo, 1, udp) < 0) return -1;
    return update_sum(ctx, sum, own, 0, udp);
  }
  const __be16* before = bytes_at(ctx, sum, 2);
  if (!before) return -1;
  __be16 complete = updated_sum(*before, pseudo);
  if (update_sum(ctx, sum, pseudo, 1, udp) < 0) return -1;
  __be16* field = bytes_at(ctx, sum, 2);
  if (!field) return -1;
  // Zero says that a UDP sender left it out, so a sum that is zero is written as its other form.
  if (udp && !complete) complete = 0xffff;
  if (*field != complete) return 0;
  __be16 next = updated_sum(complete, own);
  *field = udp && !next ? 0xffff : next;
  return 0;
#endif
}

static __always_inline int update_sums(context* ctx, const struct packet* p, const struct weft_tuple* to) {
  __u8 protocol = p->tuple.protocol;
  if (protocol == IPPROTO_SCTP) return update_sctp_sum(ctx, p, to);
  int at = checksum_offset(protocol);
  if (!at) return 0;
  // Words 0 to 2 of mapped addresses are always the same.
  __u32 pseudo = 0;
  if (p->v6) {
    pseudo = words_change((const __u32*)p->tuple.src, (const __u32*)to->src, 8);
  } else if (protocol != IPPROTO_ICMP) {
    __u32 was[2] = {v4_of(p->tuple.src), v4_of(p->tuple.dst)};
    __u32 now[2] = {v4_of(to->src), v4_of(to->dst)};
    pseudo = words_change(was, now, 2);
  }
  __u32 was = p->tuple.sport, now = to->sport;
  // An echo has one identifier, not two ports.
  if (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) {
    was |= (__u32)p->tuple.dport << 16;
    now |= (__u32)to->dport << 16;
  }
  return update_both(ctx, p->l4 + (__u32)at, pseudo, words_change(&was, &now, 1), protocol == IPPROTO_UDP);
}

// The packet gets another tuple; `p` does not change. Of later fragments only the addresses are there.
static __always_inline int rewrite_here(context* ctx, const struct packet* p, const struct weft_tuple* to) {
  if (p->fragment != LATER_FRAGMENT) {
    if (update_sums(ctx, p, to) < 0) return -1;
    int icmp = p->tuple.protocol == IPPROTO_ICMP || p->tuple.protocol == IPPROTO_ICMPV6;
    __be16* ports = bytes_at(ctx, p->l4, 8);
    if (!ports) return -1;
    if (icmp) {
      ports[2] = to->sport;
    } else {
      ports[0] = to->sport;
      ports[1] = to->dport;
    }
  }
  return store_addresses(ctx, p, to);
}

// The same, where a call more does not matter but the stack does.
__noinline int rewrite(context* ctx, const struct packet* p, const struct weft_tuple* to) {
  return p && to ? rewrite_here(ctx, p, to) : -1;
}

// One hop less to live. Less than 0: it has none left.
static __always_inline int decrement_ttl(context* ctx, const struct packet* p) {
  if (p->v6) {
    struct ipv6hdr* ip = bytes_at(ctx, p->l3, sizeof(*ip));
    if (!ip || ip->hop_limit <= 1) return -1;
    ip->hop_limit--;
    return 0;
  }
  struct iphdr* ip = bytes_at(ctx, p->l3, sizeof(*ip));
  if (!ip || ip->ttl <= 1) return -1;
  // The time to live is the first byte of its 16 bits.
  ip->ttl--;
  __u32 was = bpf_htons(0x100), now = 0;
  ip->check = updated_sum(ip->check, words_change(&was, &now, 1));
  return 0;
}
