#pragma once

// Translated connections: how they begin, go on and end. A connection is two entries of `nat`, one a
// direction.
#include "datapath/bpf/edge_maps.h"
#include "datapath/bpf/service_maps.h"

#define AF_INET 2
#define AF_INET6 10
#define EEXIST 17
#define EADDRNOTAVAIL 99
#define CLOCK_MONOTONIC 1

#define SECOND 1000000000ULL
// How long what is over is remembered, and how often an original flow looks whether it is: so that for a
// short connection once is enough.
#define LINGER (10 * SECOND)
#define SWEEP (11 * SECOND)
#define PORT_TRIES 32
// A quarter of a second or less, as the kernel was built.
#define JIFFIES_BETWEEN 25

// The tuple of the answers to what leaves with these.
static __always_inline void invert(struct weft_tuple* answer, const __u8* src, const __u8* dst, __be16 sport,
                                   __be16 dport, __u8 protocol) {
  copy16(answer->src, dst);
  copy16(answer->dst, src);
  set_ports(answer, dport | (__u32)sport << 16, protocol);
}

static __always_inline void twin_of(struct weft_tuple* twin, const struct weft_nat* flow, __u8 protocol) {
  invert(twin, flow->src, flow->dst, flow->sport, flow->dport, protocol);
}

static __always_inline __u32* entries_like(const struct weft_tuple* tuple) {
  __u32 hash = weft_tuple_hash(tuple);
  return bpf_map_lookup_elem(&nat_filter, &hash);
}

// The filter counts an entry before it is there and until it is gone.
static __always_inline long add_entry(const struct weft_tuple* tuple, const struct weft_nat* flow) {
  __u32* entries = entries_like(tuple);
  if (!entries) return -1;
  __sync_fetch_and_add(entries, 1);
  long result = bpf_map_update_elem(&nat, tuple, flow, BPF_NOEXIST);
  if (result < 0) __sync_fetch_and_add(entries, -1);
  return result;
}

static __always_inline void remove_entry(const struct weft_tuple* tuple) {
  if (bpf_map_delete_elem(&nat, tuple) < 0) return;
  __u32* entries = entries_like(tuple);
  if (entries) __sync_fetch_and_add(entries, -1);
}

static __always_inline int is_over(__u32 flags, __u32 twin_flags) {
  return (flags & WEFT_FLOW_FIN && twin_flags & WEFT_FLOW_FIN) || (flags | twin_flags) & WEFT_FLOW_RST;
}

// How long a connection may be silent.
static __always_inline __u64 patience(__u8 protocol, __u32 flags, __u32 twin_flags) {
  int replied = (flags | twin_flags) & WEFT_FLOW_REPLIED;
  if (protocol == IPPROTO_TCP || protocol == IPPROTO_SCTP) {
    if (is_over(flags, twin_flags)) return LINGER;
    // Of a direct return the other direction is not seen here, nor how it ends.
    if (flags & WEFT_FLOW_DIRECT && flags & WEFT_FLOW_FIN) return 60 * SECOND;
    return replied ? 6 * 3600 * SECOND : 60 * SECOND;
  }
  return replied ? 120 * SECOND : 30 * SECOND;
}

static int expire(void* map __attribute__((unused)), struct weft_tuple* key, struct weft_nat* flow) {
  struct weft_tuple answers;
  twin_of(&answers, flow, key->protocol);
  int has_twin = !(flow->flags & WEFT_FLOW_DIRECT);
  struct weft_nat* twin = has_twin ? bpf_map_lookup_elem(&nat, &answers) : 0;
  __u64 seen = flow->seen_ns;
  __u32 twin_flags = 0;
  if (twin) {
    twin_flags = twin->flags;
    if (twin->seen_ns > seen) seen = twin->seen_ns;
  }
  if (bpf_ktime_get_coarse_ns() - seen < patience(key->protocol, flow->flags, twin_flags)) {
    bpf_timer_start(&flow->timer, SWEEP, 0);
    return 0;
  }
  // The key is the entry's own.
  struct weft_tuple original = *key;
  if (has_twin) remove_entry(&answers);
  remove_entry(&original);
  return 0;
}

static __noinline void forget(const struct weft_tuple* key, const struct weft_nat* flow) {
  struct weft_tuple twin;
  twin_of(&twin, flow, key->protocol);
  if (!(flow->flags & WEFT_FLOW_DIRECT)) remove_entry(&twin);
  remove_entry(key);
}

// The entry of packets with `from`. 0, or less when there is no room.
static __always_inline long add_original(const struct weft_tuple* from, const struct weft_nat* flow) {
  long result = add_entry(from, flow);
  if (result == -EEXIST) result = bpf_map_update_elem(&nat, from, flow, BPF_EXIST);
  struct weft_nat* original = result < 0 ? 0 : bpf_map_lookup_elem(&nat, from);
  if (!original) return result < 0 ? result : -1;
  bpf_timer_init(&original->timer, &nat, CLOCK_MONOTONIC);
  bpf_timer_set_callback(&original->timer, expire);
  bpf_timer_start(&original->timer, SWEEP, 0);
  count(WEFT_EDGE_TRANSLATED, 0);
  return 0;
}

// Begins a connection: packets with `from` leave with `to`, and their answers come back. 0, -EEXIST when the
// answers would be taken for another connection's, or another negative number when there is no room.
__noinline long begin_flow(const struct weft_tuple* from, const struct weft_tuple* to, __u32 flags,
                           __u64 backend) {
  struct scratch* scratch = get_scratch();
  if (!from || !to || !scratch) return -1;
  struct weft_nat* flow = (struct weft_nat*)scratch->flow;
  __builtin_memset(flow, 0, sizeof(scratch->flow));
  flow->backend = backend;
  flow->seen_ns = bpf_ktime_get_coarse_ns();
  struct weft_tuple answers;
  invert(&answers, to->src, to->dst, to->sport, to->dport, from->protocol);
  if (!(flags & WEFT_FLOW_DIRECT)) {
    flow->flags = flags;
    copy16(flow->src, from->dst);
    copy16(flow->dst, from->src);
    flow->sport = from->dport;
    flow->dport = from->sport;
    long result = add_entry(&answers, flow);
    if (result < 0) return result;
  }
  flow->flags = flags | WEFT_FLOW_ORIGINAL;
  copy16(flow->src, to->src);
  copy16(flow->dst, to->dst);
  flow->sport = to->sport;
  flow->dport = to->dport;
  long result = add_original(from, flow);
  if (result < 0 && !(flags & WEFT_FLOW_DIRECT)) remove_entry(&answers);
  return result;
}

// The same, from the source that `to` has and a port that makes the answers unmistakable.
static __noinline long begin_with_free_port(const struct weft_tuple* from, struct weft_tuple* to, __u32 flags,
                                            __u64 backend) {
  const struct weft_edge* node = settings();
  if (!node) return -1;
  __u32 range = (__u32)node->port_max - node->port_min + 1;
  // A client's ports become as many different ones, and the same again: then a backend that remembers an
  // ended connection (TIME-WAIT) meets the same client on it, whose new one it can tell by its timestamps.
  const __u32* client = (const __u32*)from->src;
  __u32 start = (client[0] ^ client[1] ^ client[2] ^ client[3]) * 0x9e3779b1U + bpf_ntohs(from->sport);
  int icmp = from->protocol == IPPROTO_ICMP || from->protocol == IPPROTO_ICMPV6;
  for (__u32 i = 0; i < PORT_TRIES; i++) {
    to->sport = bpf_htons((__u16)(node->port_min + (start + i * 7919) % range));
    if (icmp) to->dport = to->sport;
    long result = begin_flow(from, to, flags, backend);
    if (result != -EEXIST) return result;
  }
  return -EEXIST;
}

static __always_inline int is_set(const __u8* addr, int v6) {
  return v6 ? *(__u32*)addr != 0 : v4_of(addr) != 0;
}

// The same, with the node's address as the source. A pod's own edge takes its answers wherever they go, so
// that towards it the address need not be on any link. -EADDRNOTAVAIL: there is none.
__noinline long begin_as_node(const struct weft_tuple* from, struct weft_tuple* to, __u32 flags,
                              __u64 backend, int v6) {
  if (!from || !to) return -1;
  const struct weft_edge* node = settings();
  if (!node) return -1;
  const __u8* source = v6 ? node->node6 : node->node4;
  __u32 place = place_of(to->dst);
  if (place & WEFT_PREFIX_TUNNEL || (place & WEFT_PREFIX_OWN_PODS && !is_set(source, v6)))
    source = v6 ? node->tunnel6 : node->tunnel4;
  if (!is_set(source, v6)) return -EADDRNOTAVAIL;
  copy16(to->src, source);
  return begin_with_free_port(from, to, flags, backend);
}

// A packet whose connection could not begin, for what these gave.
static __always_inline int drop_first(long begun) {
  if (begun == -EEXIST) return count(WEFT_EDGE_NO_PORT, DROP);
  return count(begun == -EADDRNOTAVAIL ? WEFT_EDGE_NO_ADDRESS : WEFT_EDGE_TABLE_FULL, DROP);
}

static __always_inline int is_due(const struct weft_nat* flow) {
  return bpf_jiffies64() - flow->seen_jiffies > JIFFIES_BETWEEN;
}

static __always_inline void note_packet(struct weft_nat* flow, const struct packet* p) {
  if (is_due(flow)) {
    flow->seen_jiffies = bpf_jiffies64();
    flow->seen_ns = bpf_ktime_get_coarse_ns();
    flow->out_link = 0;
  }
  if (p->tcp_flags & TCP_FIN) flow->flags |= WEFT_FLOW_FIN;
  if (p->tcp_flags & TCP_RST) flow->flags |= WEFT_FLOW_RST;
  // Whoever sends again towards a direct return was answered.
  __u32 silent = flow->flags & (WEFT_FLOW_ORIGINAL | WEFT_FLOW_DIRECT | WEFT_FLOW_REPLIED);
  if (!silent || silent == (WEFT_FLOW_ORIGINAL | WEFT_FLOW_DIRECT)) flow->flags |= WEFT_FLOW_REPLIED;
}

static __always_inline void tuple_after(struct weft_tuple* to, const struct weft_nat* flow, __u8 protocol) {
  copy32(to->src, flow->src);
  set_ports(to, flow->sport | (__u32)flow->dport << 16, protocol);
}

// Whether a packet that would begin a connection belongs to the one that has its tuple already.
static __noinline int goes_on_still(const struct packet* p, const struct weft_nat* flow) {
  if (flow->flags & WEFT_FLOW_DIRECT) return 0;
  // Nobody answers for a backend that has gone.
  __u64 id = flow->backend;
  if (flow->flags & WEFT_FLOW_SERVICE && id && !bpf_map_lookup_elem(&backends, &id)) return 0;
  struct weft_tuple answers;
  twin_of(&answers, flow, p->tuple.protocol);
  struct weft_nat* twin = bpf_map_lookup_elem(&nat, &answers);
  return twin && !is_over(flow->flags, twin->flags);
}

// Whether a Service's flow of datagrams has its backend still, or nothing better to go to.
static __noinline int has_backend_still(const struct packet* p, const struct weft_nat* flow) {
  __u64 id = flow->backend;
  if (bpf_map_lookup_elem(&backends, &id)) return 1;
  struct weft_frontend_key key = {.port = p->tuple.dport, .protocol = IPPROTO_UDP};
  copy16(key.addr, p->tuple.dst);
  struct weft_frontend* frontend = bpf_map_lookup_elem(&frontends, &key);
  return !frontend || !(frontend->edge_count | frontend->count);
}

// Whether the packet belongs to the connection that the flow is of, not to a new one with the same tuple.
static __always_inline int goes_on(const struct packet* p, const struct weft_nat* flow) {
  if (!(flow->flags & WEFT_FLOW_ORIGINAL)) return 1;
  if ((p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) return goes_on_still(p, flow);
  if (p->tuple.protocol != IPPROTO_UDP || !(flow->flags & WEFT_FLOW_SERVICE) || !is_due(flow)) return 1;
  return has_backend_still(p, flow);
}

static __always_inline struct weft_nat* entry_of(struct packet* p) {
  __u32* entries = entries_like(&p->tuple);
  return entries && *entries ? bpf_map_lookup_elem(&nat, &p->tuple) : 0;
}

// The entry, if the packet is of its connection. One that is over is forgotten.
static __always_inline struct weft_nat* still_valid(struct packet* p, struct weft_nat* flow) {
  if (!flow || goes_on(p, flow)) return flow;
  forget(&p->tuple, flow);
  return 0;
}

static __always_inline struct weft_nat* find_flow(struct packet* p) { return still_valid(p, entry_of(p)); }

// Where the node's routing sends a packet: BPF_FIB_LKUP_RET_…
static __always_inline long find_route(context* ctx, struct bpf_fib_lookup* route, const __u8* src,
                                       const __u8* dst, __u8 protocol, int v6) {
  __builtin_memset(route, 0, sizeof(*route));
  route->family = v6 ? AF_INET6 : AF_INET;
  route->l4_protocol = protocol;
#ifdef WEFT_XDP
  route->ifindex = ctx->ingress_ifindex;
#else
  route->ifindex = ctx->ifindex;
#endif
  if (v6) {
    __builtin_memcpy(route->ipv6_src, src, 16);
    __builtin_memcpy(route->ipv6_dst, dst, 16);
  } else {
    route->ipv4_src = v4_of(src);
    route->ipv4_dst = v4_of(dst);
  }
  return bpf_fib_lookup(ctx, route, sizeof(*route), 0);
}

static __always_inline void keep_route(struct weft_nat* flow, const struct bpf_fib_lookup* route) {
  __builtin_memcpy(flow->next_mac, route->dmac, 6);
  __builtin_memcpy(flow->own_mac, route->smac, 6);
  flow->out_link = route->ifindex;
}

static __always_inline int store_macs(context* ctx, const __u8* to, const __u8* from) {
  struct ethhdr* ethernet = bytes_at(ctx, 0, sizeof(*ethernet));
  if (!ethernet) return -1;
  __builtin_memcpy(ethernet->h_dest, to, ETH_ALEN);
  __builtin_memcpy(ethernet->h_source, from, ETH_ALEN);
  return 0;
}
