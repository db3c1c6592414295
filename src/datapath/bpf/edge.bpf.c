// The node edge: packets that come to Service addresses from elsewhere go to a backend, and its answers come
// back from the Service's address; what pods send to the outside gets the node's address. At tc, both
// directions of every uplink.
#include <linux/pkt_cls.h>

#include "datapath/bpf/packet.h"
#include "datapath/bpf/service_maps.h"

#define AF_INET 2
#define AF_INET6 10
#define EEXIST 17
#define CLOCK_MONOTONIC 1

#define SECOND 1000000000ULL
// How often an original flow looks whether it has ended.
#define SWEEP (10 * SECOND)
#define PORT_TRIES 32

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 1);
  __type(key, struct weft_tuple);
  __type(value, struct weft_nat);
} nat SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 8192);
  __type(key, struct weft_fragment_key);
  __type(value, struct weft_fragment);
} fragments SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 65536);
  __type(key, struct weft_prefix_key);
  __type(value, __u32);
} prefixes SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct weft_edge);
} edge SEC(".maps");

// What does not fit on a program's stack.
struct error_scratch {
  struct packet inner;
  struct weft_tuple to, outer;
};
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct error_scratch);
} scratches SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, WEFT_EDGE_COUNTERS);
  __type(key, __u32);
  __type(value, __u64);
} counters SEC(".maps");

static __always_inline int count(__u32 what, int verdict) {
  __u64* counter = bpf_map_lookup_elem(&counters, &what);
  if (counter) ++*counter;
  return verdict;
}

static __always_inline const struct weft_edge* settings(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&edge, &zero);
}

static __always_inline __u32 place_of(const __u8* addr) {
  struct weft_prefix_key key = {.length = 128};
  copy16(key.addr, addr);
  __u32* place = bpf_map_lookup_elem(&prefixes, &key);
  return place ? *place : 0;
}

// The tuple of the answers to what leaves with `sent`.
static __always_inline void invert(struct weft_tuple* answer, const __u8* src, const __u8* dst, __be16 sport,
                                   __be16 dport, __u8 protocol) {
  __builtin_memset(answer, 0, sizeof(*answer));
  copy16(answer->src, dst);
  copy16(answer->dst, src);
  answer->sport = dport;
  answer->dport = sport;
  answer->protocol = protocol;
}

static __always_inline void twin_of(struct weft_tuple* twin, const struct weft_nat* flow, __u8 protocol) {
  invert(twin, flow->src, flow->dst, flow->sport, flow->dport, protocol);
}

static __always_inline int is_over(__u32 flags, __u32 twin_flags) {
  return (flags & WEFT_FLOW_FIN && twin_flags & WEFT_FLOW_FIN) || (flags | twin_flags) & WEFT_FLOW_RST;
}

// How long a connection may be silent.
static __always_inline __u64 patience(__u8 protocol, __u32 flags, __u32 twin_flags) {
  int replied = (flags | twin_flags) & WEFT_FLOW_REPLIED;
  if (protocol == IPPROTO_TCP || protocol == IPPROTO_SCTP) {
    if (is_over(flags, twin_flags)) return 10 * SECOND;
    return replied ? 6 * 3600 * SECOND : 60 * SECOND;
  }
  return replied ? 120 * SECOND : 30 * SECOND;
}

static int expire(void* map, struct weft_tuple* key, struct weft_nat* flow) {
  struct weft_tuple answers;
  twin_of(&answers, flow, key->protocol);
  struct weft_nat* twin = bpf_map_lookup_elem(&nat, &answers);
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
  bpf_map_delete_elem(&nat, &answers);
  bpf_map_delete_elem(map, key);
  return 0;
}

static __always_inline void forget(const struct weft_tuple* key, const struct weft_nat* flow) {
  struct weft_tuple twin;
  twin_of(&twin, flow, key->protocol);
  bpf_map_delete_elem(&nat, &twin);
  bpf_map_delete_elem(&nat, key);
}

// Begins a connection: packets with `from` leave with `to`, and their answers come back. 0, -EEXIST when the
// answers would be taken for another connection's, or another negative number when there is no room.
__noinline long begin_flow(const struct weft_tuple* from, const struct weft_tuple* to, __u32 flags,
                           __u64 backend) {
  if (!from || !to) return -1;
  struct weft_tuple answers;
  struct weft_nat flow = {.sport = from->dport,
                          .dport = from->sport,
                          .flags = flags,
                          .backend = backend,
                          .seen_ns = bpf_ktime_get_coarse_ns()};
  copy16(flow.src, from->dst);
  copy16(flow.dst, from->src);
  invert(&answers, to->src, to->dst, to->sport, to->dport, from->protocol);
  long result = bpf_map_update_elem(&nat, &answers, &flow, BPF_NOEXIST);
  if (result < 0) return result;

  copy16(flow.src, to->src);
  copy16(flow.dst, to->dst);
  flow.sport = to->sport;
  flow.dport = to->dport;
  flow.flags = flags | WEFT_FLOW_ORIGINAL;
  result = bpf_map_update_elem(&nat, from, &flow, BPF_ANY);
  struct weft_nat* original = result < 0 ? 0 : bpf_map_lookup_elem(&nat, from);
  if (!original) {
    bpf_map_delete_elem(&nat, &answers);
    return result < 0 ? result : -1;
  }
  bpf_timer_init(&original->timer, &nat, CLOCK_MONOTONIC);
  bpf_timer_set_callback(&original->timer, expire);
  bpf_timer_start(&original->timer, SWEEP, 0);
  count(WEFT_EDGE_TRANSLATED, 0);
  return 0;
}

// The same, with the node's address as the source and a port that makes the answers unmistakable.
__noinline long begin_as_node(const struct weft_tuple* from, struct weft_tuple* to, __u32 flags,
                              __u64 backend, int v6) {
  if (!from || !to) return -1;
  const struct weft_edge* node = settings();
  if (!node) return -1;
  const __u8* source = v6 ? node->node6 : node->node4;
  if (place_of(to->dst) & WEFT_PREFIX_TUNNEL) source = v6 ? node->tunnel6 : node->tunnel4;
  if (!(v6 ? *(__u32*)source : v4_of(source))) return -1;
  copy16(to->src, source);
  // SCTP's checksum covers the ports: they cannot change (RFC 9260, 6.8).
  if (from->protocol == IPPROTO_SCTP) return begin_flow(from, to, flags, backend);
  __u32 range = (__u32)node->port_max - node->port_min + 1;
  __u32 start = bpf_get_prandom_u32();
  int icmp = from->protocol == IPPROTO_ICMP || from->protocol == IPPROTO_ICMPV6;
  for (__u32 i = 0; i < PORT_TRIES; i++) {
    to->sport = bpf_htons((__u16)(node->port_min + (start + i * 7919) % range));
    if (icmp) to->dport = to->sport;
    long result = begin_flow(from, to, flags, backend);
    if (result != -EEXIST) return result;
  }
  return -EEXIST;
}

__noinline int redirect_out(struct __sk_buff* skb, struct packet* p, const struct weft_tuple* to) {
  if (!p || !to) return TC_ACT_SHOT;
  if (decrement_ttl(skb, p) < 0) return TC_ACT_SHOT;
  struct bpf_fib_lookup route = {.family = p->v6 ? AF_INET6 : AF_INET, .ifindex = skb->ifindex};
  route.l4_protocol = to->protocol;
  if (p->v6) {
    __builtin_memcpy(route.ipv6_src, to->src, 16);
    __builtin_memcpy(route.ipv6_dst, to->dst, 16);
  } else {
    route.ipv4_src = v4_of(to->src);
    route.ipv4_dst = v4_of(to->dst);
  }
  // Too big for the next link is no reason to stop here: a tunnel's own packets may be fragmented, and it is
  // the stack behind it that tells the sender, by an error that is translated on its way back.
  long found = bpf_fib_lookup(skb, &route, sizeof(route), 0);
  if (found != BPF_FIB_LKUP_RET_SUCCESS && found != BPF_FIB_LKUP_RET_NO_NEIGH &&
      found != BPF_FIB_LKUP_RET_FRAG_NEEDED)
    return count(WEFT_EDGE_NO_ROUTE, TC_ACT_SHOT);
  return (int)bpf_redirect_neigh(route.ifindex, 0, 0, 0);
}

static __always_inline void note_packet(struct weft_nat* flow, const struct packet* p) {
  __u64 now = bpf_ktime_get_coarse_ns();
  if (now - flow->seen_ns > SECOND / 4) flow->seen_ns = now;
  if (p->tcp_flags & TCP_FIN) flow->flags |= WEFT_FLOW_FIN;
  if (p->tcp_flags & TCP_RST) flow->flags |= WEFT_FLOW_RST;
  if (!(flow->flags & (WEFT_FLOW_ORIGINAL | WEFT_FLOW_REPLIED))) flow->flags |= WEFT_FLOW_REPLIED;
}

static __always_inline int translate(struct __sk_buff* skb, struct packet* p, struct weft_nat* flow) {
  struct weft_tuple to = {.sport = flow->sport, .dport = flow->dport, .protocol = p->tuple.protocol};
  copy16(to.src, flow->src);
  copy16(to.dst, flow->dst);
  note_packet(flow, p);
  __u32 flags = flow->flags;
  if (rewrite(skb, p, &to) < 0) return TC_ACT_SHOT;
  return flags & WEFT_FLOW_REDIRECT ? redirect_out(skb, p, &to) : TC_ACT_OK;
}

// Whether the packet belongs to the connection that the flow is of, not to a new one with the same tuple.
static __always_inline int goes_on(const struct packet* p, struct weft_nat* flow) {
  if (!(flow->flags & WEFT_FLOW_ORIGINAL)) return 1;
  if ((p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) {
    struct weft_tuple answers;
    twin_of(&answers, flow, p->tuple.protocol);
    struct weft_nat* twin = bpf_map_lookup_elem(&nat, &answers);
    return twin && !is_over(flow->flags, twin->flags);
  }
  // Datagrams move on when their backend has gone.
  if (p->tuple.protocol != IPPROTO_UDP || !(flow->flags & WEFT_FLOW_SERVICE)) return 1;
  __u64 id = flow->backend;
  if (bpf_map_lookup_elem(&backends, &id)) return 1;
  struct weft_frontend_key key = {.port = p->tuple.dport, .protocol = IPPROTO_UDP};
  copy16(key.addr, p->tuple.dst);
  struct weft_frontend* frontend = bpf_map_lookup_elem(&frontends, &key);
  return !frontend || !frontend->edge_count;
}

static __always_inline struct weft_nat* find_flow(struct packet* p) {
  struct weft_nat* flow = bpf_map_lookup_elem(&nat, &p->tuple);
  if (!flow || goes_on(p, flow)) return flow;
  forget(&p->tuple, flow);
  return 0;
}

// The ports of later fragments are those of the first. Less than 0: that one was not seen.
static __always_inline int follow_fragment(struct packet* p) {
  if (p->fragment == WHOLE) return 0;
  struct weft_fragment_key key = {.id = p->fragment_id, .protocol = p->tuple.protocol};
  copy16(key.src, p->tuple.src);
  copy16(key.dst, p->tuple.dst);
  if (p->fragment == FIRST_FRAGMENT) {
    struct weft_fragment ports = {p->tuple.sport, p->tuple.dport};
    bpf_map_update_elem(&fragments, &key, &ports, BPF_ANY);
    return 0;
  }
  struct weft_fragment* ports = bpf_map_lookup_elem(&fragments, &key);
  if (!ports) return -1;
  p->tuple.sport = ports->sport;
  p->tuple.dport = ports->dport;
  return 0;
}

static __always_inline __u32 mix(__u32 hash, __u32 word) {
  hash = (hash ^ word) * 0x85ebca6bU;
  return hash ^ hash >> 13;
}

// Of the client alone: it is to find the same backend on whichever node, and by whichever address. With
// affinity its port does not count either, so that nodes agree without sharing what they remember.
static __always_inline __u32 client_hash(const struct packet* p, int with_port) {
  const __u32* addr = (const __u32*)p->tuple.src;
  __u32 hash = p->tuple.protocol;
  for (int i = 0; i < 4; i++) hash = mix(hash, addr[i]);
  hash = mix(hash, with_port ? p->tuple.sport : 0);
  return (hash ^ hash >> 16) * 0xc2b2ae35U >> 1;
}

static __always_inline struct weft_backend* choose(const struct packet* p, struct weft_frontend* frontend,
                                                   __u64* id) {
  struct weft_affinity_key client = {.set = frontend->edge_set};
  if (frontend->affinity_seconds) {
    copy16(client.client, p->tuple.src);
    struct weft_backend* same = had_last(&client, frontend->affinity_seconds, id);
    if (same) return same;
  }
  __u32 hash = client_hash(p, !frontend->affinity_seconds);
  struct weft_backend* backend = by_hash(frontend->edge_set, frontend->maglev_size, hash, id);
  for (int attempt = 0; attempt < 4 && !backend; attempt++)
    backend = any_of(frontend->edge_set, frontend->edge_count, id);
  if (backend && frontend->affinity_seconds) keep_affinity(&client, *id);
  return backend;
}

// The node refuses in the Service's name: at its own port 0, where nobody can listen. What it answers (a RST,
// an ICMP error) is translated back.
static __always_inline int refuse(struct __sk_buff* skb, struct packet* p) {
  const struct weft_edge* node = settings();
  if (!node) return TC_ACT_SHOT;
  struct weft_tuple to = p->tuple;
  copy16(to.dst, p->v6 ? node->node6 : node->node4);
  to.dport = 0;
  count(WEFT_EDGE_NO_BACKEND, 0);
  if (begin_flow(&p->tuple, &to, 0, 0) < 0) return TC_ACT_SHOT;
  return rewrite(skb, p, &to) < 0 ? TC_ACT_SHOT : TC_ACT_OK;
}

static __always_inline int may_come(const struct packet* p, const struct weft_frontend_key* key) {
  struct weft_source_key source = {.length = WEFT_SOURCE_LENGTH + 128, .frontend = *key};
  copy16(source.client, p->tuple.src);
  return bpf_map_lookup_elem(&sources, &source) != 0;
}

static __always_inline int begin_service(struct __sk_buff* skb, struct packet* p,
                                         const struct weft_frontend_key* key,
                                         struct weft_frontend* frontend) {
  if (p->fragment == LATER_FRAGMENT) return TC_ACT_SHOT;
  if (frontend->edge_flags & WEFT_FRONTEND_SOURCES && !may_come(p, key))
    return count(WEFT_EDGE_SOURCE_DENIED, TC_ACT_SHOT);
  if (!frontend->edge_count) {
    if (frontend->edge_flags & WEFT_FRONTEND_DROP) return count(WEFT_EDGE_NO_BACKEND, TC_ACT_SHOT);
    return refuse(skb, p);
  }
  __u64 id = 0;
  struct weft_backend* backend = choose(p, frontend, &id);
  if (!backend) return count(WEFT_EDGE_NO_BACKEND, TC_ACT_SHOT);
  struct weft_tuple to = p->tuple;
  copy16(to.dst, backend->addr);
  to.dport = backend->port;
  // A backend on this node answers by way of this node: it may see who asks.
  int local = backend->flags & WEFT_BACKEND_LOCAL;
  __u32 flags = WEFT_FLOW_SERVICE;
  long begun = -EEXIST;
  if (local) begun = begin_flow(&p->tuple, &to, flags, id);
  if (begun == -EEXIST) {
    if (!local) flags |= WEFT_FLOW_REDIRECT;
    begun = begin_as_node(&p->tuple, &to, flags, id, p->v6);
  }
  if (begun < 0) return count(begun == -EEXIST ? WEFT_EDGE_NO_PORT : WEFT_EDGE_TABLE_FULL, TC_ACT_SHOT);
  if (rewrite(skb, p, &to) < 0) return TC_ACT_SHOT;
  return flags & WEFT_FLOW_REDIRECT ? redirect_out(skb, p, &to) : TC_ACT_OK;
}

// An ICMP error about a packet that was translated is about the packet as its sender knew it.
__noinline int translate_error(struct __sk_buff* skb, struct packet* p) {
  __u32 zero = 0;
  struct error_scratch* scratch = bpf_map_lookup_elem(&scratches, &zero);
  if (!p || !scratch) return TC_ACT_OK;
  struct packet* inner = &scratch->inner;
  struct weft_tuple *to = &scratch->to, *outer = &scratch->outer;
  __builtin_memset(inner, 0, sizeof(*inner));
  inner->l3 = p->l4 + 8;
  int parsed = p->v6 ? parse_v6(skb, inner) : parse_v4(skb, inner);
  if (parsed < 0 || inner->fragment == LATER_FRAGMENT) return TC_ACT_OK;
  __u8 protocol = inner->tuple.protocol;
  if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP && protocol != IPPROTO_SCTP) return TC_ACT_OK;
  if (bpf_skb_load_bytes(skb, inner->l4, &inner->tuple.sport, 4) < 0) return TC_ACT_OK;

  // The error travels as answers to the inner packet do.
  struct weft_tuple answer;
  invert(&answer, inner->tuple.src, inner->tuple.dst, inner->tuple.sport, inner->tuple.dport, protocol);
  struct weft_nat* flow = bpf_map_lookup_elem(&nat, &answer);
  if (!flow) return TC_ACT_OK;
  to->sport = flow->dport;
  to->dport = flow->sport;
  to->protocol = protocol;
  copy16(to->src, flow->dst);
  copy16(to->dst, flow->src);
  *outer = p->tuple;
  if (same16(p->tuple.src, answer.src)) copy16(outer->src, flow->src);
  copy16(outer->dst, flow->dst);
  __u32 flags = flow->flags;

  __u32 sum = p->l4 + 2;
  if (p->v6) {
    __s64 change = bpf_csum_diff((__be32*)inner->tuple.src, 32, (__be32*)to->src, 32, 0);
    change = bpf_csum_diff((__be32*)p->tuple.src, 32, (__be32*)outer->src, 32, (__wsum)change);
    if (bpf_l4_csum_replace(skb, sum, 0, (__u64)change, BPF_F_PSEUDO_HDR) < 0) return TC_ACT_SHOT;
  }
  // The inner IPv4 header sums up to the same with its own checksum, whatever its addresses.
  if (bpf_l4_csum_replace(skb, sum, inner->tuple.sport, to->sport, 2) < 0) return TC_ACT_SHOT;
  if (bpf_l4_csum_replace(skb, sum, inner->tuple.dport, to->dport, 2) < 0) return TC_ACT_SHOT;
  if (bpf_skb_store_bytes(skb, inner->l4, &to->sport, 4, 0) < 0) return TC_ACT_SHOT;
  inner->v6 = p->v6;
  if (store_addresses(skb, inner, to) < 0 || store_addresses(skb, p, outer) < 0) return TC_ACT_SHOT;
  return flags & WEFT_FLOW_REDIRECT ? redirect_out(skb, p, outer) : TC_ACT_OK;
}

// A datagram for a pod from outside the cluster: the pod's answer must not be taken for a connection of its
// own.
static __always_inline void note_visitor(const struct packet* p) {
  if (p->tuple.protocol == IPPROTO_TCP || p->tuple.protocol == IPPROTO_SCTP) return;
  if (!(place_of(p->tuple.dst) & WEFT_PREFIX_OWN_PODS) || place_of(p->tuple.src) & WEFT_PREFIX_CLUSTER)
    return;
  begin_flow(&p->tuple, &p->tuple, 0, 0);
}

SEC("tc")
int edge_in(struct __sk_buff* skb) {
  struct packet p = {};
  if (parse(skb, &p) < 0 || follow_fragment(&p) < 0) return TC_ACT_OK;
  if (p.icmp_error) return translate_error(skb, &p);
  struct weft_nat* flow = find_flow(&p);
  if (flow) return translate(skb, &p, flow);
  struct weft_frontend_key key = {.port = p.tuple.dport, .protocol = p.tuple.protocol};
  copy16(key.addr, p.tuple.dst);
  struct weft_frontend* frontend = 0;
  if (p.tuple.protocol != IPPROTO_ICMP && p.tuple.protocol != IPPROTO_ICMPV6) frontend = find_frontend(&key);
  if (frontend) return begin_service(skb, &p, &key, frontend);
  note_visitor(&p);
  return TC_ACT_OK;
}

// Whether a pod's packet begins something outside the cluster.
static __always_inline int leaves_cluster(const struct packet* p) {
  if (p->tuple.protocol == IPPROTO_TCP && (p->tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN) return 0;
  const struct weft_edge* node = settings();
  if (!node || !node->masquerade) return 0;
  return place_of(p->tuple.src) & WEFT_PREFIX_OWN_PODS && !(place_of(p->tuple.dst) & WEFT_PREFIX_CLUSTER);
}

SEC("tc")
int edge_out(struct __sk_buff* skb) {
  struct packet p = {};
  if (parse(skb, &p) < 0 || follow_fragment(&p) < 0) return TC_ACT_OK;
  if (p.icmp_error) return translate_error(skb, &p);
  struct weft_nat* flow = find_flow(&p);
  if (flow) return translate(skb, &p, flow);
  if (!leaves_cluster(&p)) return TC_ACT_OK;
  struct weft_tuple to = p.tuple;
  long begun = begin_as_node(&p.tuple, &to, 0, 0, p.v6);
  if (begun < 0) return count(begun == -EEXIST ? WEFT_EDGE_NO_PORT : WEFT_EDGE_TABLE_FULL, TC_ACT_SHOT);
  return rewrite(skb, &p, &to) < 0 ? TC_ACT_SHOT : TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
