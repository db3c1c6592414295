#pragma once

// What policies say of a packet at its pod's link. A connection is decided on its first packet, and what was
// decided is kept. Both sides are named as the pod sees them; whom policies mean by a Service's or the node's
// address, the translated connections know.
#include "datapath/bpf/connection.h"
#include "datapath/bpf/policy_young.h"

#define ISOLATED (WEFT_POLICY_ISOLATED_INGRESS | WEFT_POLICY_ISOLATED_EGRESS)

#define TELL_AGAIN (5 * SECOND)

// Of a packet: the other direction than WEFT_INGRESS, from the node itself, of a connection that begins, not
// to be translated.
#define TO_PEER WEFT_EGRESS
#define FROM_NODE 2U
#define BEGINS 4U
#define PLAIN 8U

#define LISTENER_FIRST 130  // ICMPv6: listener and neighbour discovery (RFC 2710, RFC 4861)
#define LISTENER_LAST 132
#define NEIGHBOUR_LAST 137
#define LISTENER_REPORT 143  // RFC 3810

struct question {
  struct weft_policy_flow_key key;
  __u8 peer[16];  // whom policies mean
  __be16 peer_port;
  __u8 direction;   // of the packet
  __u8 itself;      // the peer is the pod, by way of a Service
  __u8 translated;  // the edge knows the connection:
  __u8 began;       // in which direction
  __u8 plain;       // it is known not to be translated
  __u32 identity;
  __u32 subject;
  __u32 flags;  // of the pod
  __u32 reason;
  __u32 revision;
};

static __always_inline int count_policy(__u32 what, int verdict) {
  __u64* counter = bpf_map_lookup_elem(&policy_counters, &what);
  if (counter) ++*counter;
  return verdict;
}

// In one piece, so that no change comes between its parts.
static __always_inline void copy_pod(struct weft_policy_pod* to, const struct weft_policy_pod* from) {
  __u64 whole = *(const volatile __u64*)__builtin_assume_aligned(from, 8);
  __builtin_memcpy(to, &whole, sizeof(*to));
}

// The pod of this link. False: it is not known.
static __always_inline int find_pod(context* ctx, struct weft_policy_pod* pod) {
  __u32 link = ctx->ifindex, place = link % WEFT_POLICY_LINKS;
  const struct weft_policy_link* quick = bpf_map_lookup_elem(&policy_links, &place);
  if (quick && quick->link == link) {
    copy_pod(pod, &quick->pod);
    return 1;
  }
  const struct weft_policy_pod* found = bpf_map_lookup_elem(&policy_pods, &link);
  if (!found) return 0;
  copy_pod(pod, found);
  return 1;
}

// Whether packets for the pod of a link have to pass the program there.
static __always_inline int is_guarded(__u32 link) {
  const struct weft_policy_pod* pod = bpf_map_lookup_elem(&policy_pods, &link);
  return !pod || pod->flags & ISOLATED;
}

static __always_inline int is_tcp(__u8 protocol) { return protocol == IPPROTO_TCP; }

static __always_inline int starts(const struct packet* p) {
  return is_tcp(p->tuple.protocol) && (p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

static __always_inline void flow_key(struct weft_policy_flow_key* key, const struct packet* p, int to_peer,
                                     __u32 link) {
  copy16(key->peer, to_peer ? p->tuple.dst : p->tuple.src);
  copy16(key->pod, to_peer ? p->tuple.src : p->tuple.dst);
  key->peer_port = to_peer ? p->tuple.dport : p->tuple.sport;
  key->pod_port = to_peer ? p->tuple.sport : p->tuple.dport;
  key->protocol = p->tuple.protocol;
  key->link = link;
}

// Whom policies mean: who is behind the address that the pod sees, as its own packets are translated.
static __noinline void find_peer(struct question* q, const struct weft_tuple* to) {
  copy16(q->peer, q->key.peer);
  q->peer_port = q->key.peer_port;
  q->itself = 0;
  struct weft_tuple tuple;
  if (!to && !q->plain) {
    copy16(tuple.src, q->key.pod);
    copy16(tuple.dst, q->key.peer);
    set_ports(&tuple, q->key.pod_port | (__u32)q->key.peer_port << 16, q->key.protocol);
    __u32* entries = entries_like(&tuple);
    struct weft_nat* flow = entries && *entries ? bpf_map_lookup_elem(&nat, &tuple) : 0;
    if (flow) {
      copy16(q->peer, flow->dst);
      q->peer_port = flow->dport;
      q->translated = 1;
      q->began = flow->flags & WEFT_FLOW_ORIGINAL ? WEFT_EGRESS : WEFT_INGRESS;
    }
    q->plain = !flow;
  } else if (to) {
    copy16(q->peer, to->dst);
    q->peer_port = to->dport;
  }
  // An answer to an address that is its own by no Service, somebody else has made up.
  q->itself = same16(q->peer, q->key.pod) && (q->direction == WEFT_EGRESS || !same16(q->peer, q->key.peer));
}

// A verdict that was asked for a moment ago, and at which revision: prefixes are matched node by node, an
// array of the processor's own is looked into once.
struct policy_answer {
  struct weft_verdict_key key;
  struct weft_prefix_key peer;
  __u32 revision;
  __u32 reason;
  __u32 verdict;
};
#define POLICY_ANSWER_BITS 9U
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1U << POLICY_ANSWER_BITS);
  __type(key, __u32);
  __type(value, struct policy_answer);
} policy_answers SEC(".maps");

static __always_inline struct policy_answer* answer_at(const struct question* q, __u32 what) {
  const __u32* peer = (const __u32*)q->peer;
  __u32 hash = peer[0] * 0x9e3779b1U ^ peer[1] * 0x85ebca6bU ^ peer[2] * 0xc2b2ae35U ^ peer[3] * 0x27d4eb2fU ^
               what * 0x165667b1U ^ q->subject * 0xd3a2646cU;
  __u32 place = hash * 0x9e3779b1U >> (32 - POLICY_ANSWER_BITS);
  return bpf_map_lookup_elem(&policy_answers, &place);
}

static __always_inline __u32 what_of(const struct weft_verdict_key* key) {
  return *(const __u32*)&key->direction;
}

// By the tables, with a key all of which is there but the peer's identity.
static __always_inline void find_answer(struct policy_answer* answer) {
  answer->peer.length = 128;
  answer->key.length = WEFT_VERDICT_FIXED_BITS + 24;
  __u32* found = bpf_map_lookup_elem(&identities, &answer->peer);
  __u32 identity = found ? *found : WEFT_IDENTITY_ANY;
  answer->key.peer = identity;
  struct weft_verdict* verdict = bpf_map_lookup_elem(&verdicts, &answer->key);
  if (!verdict && identity != WEFT_IDENTITY_ANY) {
    answer->key.peer = WEFT_IDENTITY_ANY;
    verdict = bpf_map_lookup_elem(&verdicts, &answer->key);
    answer->key.peer = identity;
  }
  answer->reason = verdict ? verdict->reason : 0;
  answer->verdict = verdict ? verdict->verdict : WEFT_VERDICT_DENY;
}

// What policies say of the connection, had it begun in that direction: WEFT_VERDICT_…
__noinline __u32 verdict_of(struct question* q, __u32 direction) {
  if (!q) return WEFT_VERDICT_DENY;
  q->reason = 0;
  if (!(q->flags & WEFT_POLICY_ISOLATED_INGRESS << direction)) return WEFT_VERDICT_ALLOW;
  __u8 protocol = q->key.protocol;
  int has_port = protocol != IPPROTO_ICMP && protocol != IPPROTO_ICMPV6;
  __be16 port = direction == WEFT_EGRESS ? q->peer_port : q->key.pod_port;
  __u32 what = direction | (__u32)protocol << 8 | (has_port ? (__u32)port << 16 : 0);
  struct policy_answer* answer = answer_at(q, what);
  if (!answer) return WEFT_VERDICT_DENY;
  if (!answer->key.length || answer->revision != q->revision || what_of(&answer->key) != what ||
      answer->key.subject != q->subject || !same16(answer->peer.addr, q->peer)) {
    *(__u32*)&answer->key.direction = what;
    answer->key.subject = q->subject;
    answer->revision = q->revision;
    copy16(answer->peer.addr, q->peer);
    find_answer(answer);
  }
  q->identity = answer->key.peer;
  if (q->itself && q->subject && answer->verdict == WEFT_VERDICT_DENY) return WEFT_VERDICT_ALLOW;
  q->reason = answer->reason;
  return answer->verdict;
}

// Whether the same was reported a moment ago.
static __noinline int was_told(const struct question* q, __u64 now) {
  __u64* told = bpf_map_lookup_elem(&policy_told, &q->key);
  if (told && now - *told < TELL_AGAIN) return 1;
  bpf_map_update_elem(&policy_told, &q->key, &now, BPF_ANY);
  return 0;
}

static __noinline void tell(const struct question* q, __u32 direction, __u32 verdict, __u32 audit) {
  __u64 now = bpf_ktime_get_ns();
  if ((verdict != WEFT_VERDICT_ALLOW || audit) && was_told(q, now)) return;
  struct weft_policy_event* event = bpf_ringbuf_reserve(&policy_events, sizeof(*event), 0);
  if (!event) {
    count_policy(WEFT_POLICY_EVENTS_LOST, 0);
    return;
  }
  event->time_ns = now;
  copy16(event->peer, q->peer);
  copy16(event->pod, q->key.pod);
  event->peer_port = q->peer_port;
  event->pod_port = q->key.pod_port;
  event->protocol = q->key.protocol;
  event->direction = (__u8)direction;
  event->verdict = (__u8)verdict;
  event->audit = (__u8)audit;
  event->link = q->key.link;
  event->subject = q->subject;
  event->peer_identity = q->identity;
  event->reason = q->reason;
  bpf_ringbuf_submit(event, 0);
}

// Whether a segment's connection went on a moment ago, as is_going() tells.
static __noinline int is_known(context* ctx, const struct packet* p, __u32 how) {
  const __u64* tuple = (const __u64*)&p->tuple;
  int to_peer = how & TO_PEER;
  __u32 ports = (__u32)tuple[4];
  if (to_peer) ports = ports << 16 | ports >> 16;
  __u64 words[6] = {to_peer ? tuple[2] : tuple[0], to_peer ? tuple[3] : tuple[1],
                    to_peer ? tuple[0] : tuple[2], to_peer ? tuple[1] : tuple[3],
                    ports | tuple[4] >> 32 << 32,  ctx->ifindex};
  return is_going(words, (__u32)to_peer, p->tcp_flags, !!(how & PLAIN));
}

// As one that the table knows too, or no table.
static __always_inline void note_going(const struct question* q) {
  if (is_tcp(q->key.protocol)) take_place(&q->key, q->revision, q->plain ? WEFT_YOUNG_PLAIN : 0);
}

static __always_inline int begin_young(const struct question* q, __u32 direction) {
  if (!is_tcp(q->key.protocol)) return 0;
  __u32 state = WEFT_YOUNG_KEPT | (direction ? WEFT_YOUNG_EGRESS : 0) | (q->plain ? WEFT_YOUNG_PLAIN : 0);
  return take_place(&q->key, q->revision, state);
}

static __noinline void keep(const struct question* q, __u32 direction, __u32 flags) {
  struct weft_policy_flow flow = {.seen_ns = bpf_ktime_get_coarse_ns(),
                                  .revision = q->revision,
                                  .direction = (__u8)direction,
                                  .flags = (__u8)flags};
  bpf_map_update_elem(&policy_flows, &q->key, &flow, BPF_ANY);
}

// The verdict that counts: what would be denied may pass all the same, to be reported only.
static __noinline __u32 judge(struct question* q, __u32 direction) {
  __u32 verdict = verdict_of(q, direction);
  if (verdict == WEFT_VERDICT_ALLOW || !(q->flags & WEFT_POLICY_AUDIT_INGRESS << direction)) return verdict;
  count_policy(WEFT_POLICY_AUDITED_INGRESS + direction, 0);
  tell(q, direction, WEFT_VERDICT_ALLOW, 1);
  return WEFT_VERDICT_ALLOW;
}

static __always_inline int deny(const struct question* q, __u32 direction) {
  tell(q, direction, WEFT_VERDICT_DENY, 0);
  return count_policy(WEFT_POLICY_DENIED_INGRESS + q->direction, DROP);
}

// The packet begins the connection.
static __noinline int begin_policed(struct question* q) {
  __u32 direction = q->direction & 1;
  if (judge(q, direction) != WEFT_VERDICT_ALLOW) return deny(q, direction);
  if (!begin_young(q, direction)) keep(q, direction, 0);
  if (q->flags & WEFT_POLICY_REPORT_ALLOWED) tell(q, direction, WEFT_VERDICT_ALLOW, 0);
  return count_policy(WEFT_POLICY_ALLOWED_INGRESS + direction, PASS);
}

// The addresses by which the node itself speaks to its pods.
static __always_inline int is_own_node(const __u8* addr) {
  const struct weft_edge* node = settings();
  return node && (same16(addr, node->node4) || same16(addr, node->node6));
}

// Whether a connection that is not known may have begun, by whichever side: before policies were, or as one
// of more than are kept, or one that has ended. It is not kept: anybody could fill the table with answers to
// nothing.
static __noinline int may_have_begun(struct question* q) {
  __u32 own = q->direction & 1, other = !own;
  return q->flags & WEFT_POLICY_AUDIT_INGRESS << other || verdict_of(q, other) == WEFT_VERDICT_ALLOW ||
         judge(q, own) == WEFT_VERDICT_ALLOW;
}

// A segment of a connection that is not known.
static __noinline int go_on_unknown(struct question* q, int resets) {
  __u32 direction = q->direction & 1;
  int allowed;
  if (q->translated) {
    direction = q->began & 1;
    allowed = judge(q, direction) == WEFT_VERDICT_ALLOW;
  } else {
    if (direction == WEFT_EGRESS && is_own_node(q->peer)) return PASS;
    allowed = may_have_begun(q);
  }
  if (allowed) {
    note_going(q);
    return PASS;
  }
  // Who ends a denied connection may tell the other end.
  return resets ? PASS : deny(q, direction);
}

// What was decided, under policies that have changed since. Less than 0: as if it had not been; what is not
// TCP may begin anew from the other end. The entry is written by its key: by now another connection may have
// its place. It stays when it is denied, lest an answer of the node that is still on its way is taken for
// something that the node begins.
static __noinline int decide_anew(struct question* q, const struct weft_policy_flow* was, int resets) {
  struct weft_policy_flow flow = *was;
  __u32 direction = flow.direction & 1;
  flow.revision = q->revision;
  int allowed = judge(q, direction) == WEFT_VERDICT_ALLOW;
  flow.flags = allowed ? 0 : WEFT_POLICY_FLOW_DENIED;
  bpf_map_update_elem(&policy_flows, &q->key, &flow, BPF_EXIST);
  if (!allowed && !is_tcp(q->key.protocol)) {
    tell(q, direction, WEFT_VERDICT_DENY, 0);
    return -1;
  }
  return allowed || resets ? PASS : deny(q, direction);
}

static __always_inline int is_silent(struct weft_policy_flow* flow, __u8 protocol) {
  if (is_tcp(protocol)) return 0;
  __u64 now = bpf_ktime_get_coarse_ns(), silent = now - flow->seen_ns;
  if (silent > WEFT_POLICY_PATIENCE_NS) return 1;
  if (silent > SECOND / 4) flow->seen_ns = now;
  return 0;
}

// Of a TCP connection that both ends have closed no entry is needed any more: what is still to come, the last
// ACK or what is sent again, passes as of one that went on a moment ago, or is decided by its verdicts. A
// reset does not remove it: whether the other end takes it for one is not known here.
static __always_inline void close_end(const struct question* q, struct weft_policy_flow* flow) {
  // An entry that made room meanwhile may be another's by now; that one at worst makes room early.
  flow->closed[q->direction & 1] = 1;
  if (flow->closed[!(q->direction & 1)]) bpf_map_delete_elem(&policy_flows, &q->key);
}

// A packet of a connection that was decided and whose policies have not changed since.
static __always_inline int go_on(const struct question* q, struct weft_policy_flow* flow, __u8 tcp_flags) {
  if (flow->flags & WEFT_POLICY_FLOW_DENIED && !(tcp_flags & TCP_RST))
    return count_policy(WEFT_POLICY_DENIED_INGRESS + q->direction, DROP);
  if (tcp_flags & TCP_RST) return PASS;
  note_going(q);
  if (tcp_flags & TCP_FIN) close_end(q, flow);
  return PASS;
}

// Whether a TCP connection began lately, and what was decided counts still. If policies have changed since,
// it is in the table from now on.
static __always_inline int goes_on_young(const struct question* q, __u8 tcp_flags) {
  struct weft_policy_young* young = find_young(&q->key);
  if (!young) return 0;
  if (young->revision == q->revision) {
    is_going(words_of(&q->key), q->direction & 1, tcp_flags & TCP_FIN, 0);
    return 1;
  }
  grow_up(young);
  return 0;
}

// From the node itself: it may, and what it begins is never decided anew.
static __always_inline int pass_node(const struct question* q, int known, int begins) {
  if (known) return PASS;
  if (begins && is_tcp(q->key.protocol)) drop_young(&q->key);
  keep(q, WEFT_INGRESS, WEFT_POLICY_FLOW_NODE);
  return PASS;
}

// PASS or DROP for a packet of a pod. `to`: what it is about to be translated to. `how`: WEFT_INGRESS
// or TO_PEER, and FROM_NODE, BEGINS, PLAIN.
__noinline int police(context* ctx, const struct packet* p, const struct weft_tuple* to,
                      const struct weft_policy_pod* pod, __u32 how) {
  if (!p || !pod) return DROP;
  // Before what it counts is looked at: what changes meanwhile is decided anew.
  const struct weft_policy* settings = policy_now();
  if (!settings) return DROP;
  struct question q = {.revision = settings->revision,
                       .direction = how & TO_PEER,
                       .flags = pod->flags,
                       .subject = pod->subject,
                       .plain = !!(how & PLAIN)};
  flow_key(&q.key, p, how & TO_PEER, ctx->ifindex);
  int begins = how & BEGINS || starts(p);
  int resets = p->tcp_flags & TCP_RST;
  if (!begins && is_tcp(q.key.protocol) && goes_on_young(&q, p->tcp_flags)) return PASS;
  struct weft_policy_flow* flow = begins ? 0 : bpf_map_lookup_elem(&policy_flows, &q.key);
  if (flow && is_silent(flow, q.key.protocol)) flow = 0;
  if (how & FROM_NODE) return pass_node(&q, !!flow, begins);
  if (flow && flow->flags & WEFT_POLICY_FLOW_DENIED && !is_tcp(q.key.protocol)) flow = 0;
  if (flow && (flow->flags & WEFT_POLICY_FLOW_NODE || !(q.flags & ISOLATED))) return PASS;
  if (flow && flow->revision == q.revision) return go_on(&q, flow, p->tcp_flags);
  find_peer(&q, to);
  if (flow) {
    int verdict = decide_anew(&q, flow, resets);
    if (verdict >= 0) return verdict;
  }
  return is_tcp(q.key.protocol) && !begins ? go_on_unknown(&q, resets) : begin_policed(&q);
}

// The same; most pods are not isolated, and most of what they send is TCP, of connections that go on.
static __always_inline int police_usual(context* ctx, const struct packet* p, const struct weft_tuple* to,
                                        const struct weft_policy_pod* pod, __u32 how) {
  if (is_tcp(p->tuple.protocol)) {
    if (!pod->flags) return PASS;
    if (!(how & (FROM_NODE | BEGINS)) && goes_on_only(p->tcp_flags) && is_known(ctx, p, how)) return PASS;
  }
  return police(ctx, p, to, pod, how);
}

static __always_inline int finds_neighbours(context* ctx, const struct packet* p) {
  if (!p->v6 || p->tuple.protocol != IPPROTO_ICMPV6 || p->fragment != WHOLE) return 0;
  const struct ipv6hdr* ip = bytes_at(ctx, p->l3, sizeof(*ip));
  if (!ip) return 0;
  __u8 hops = ip->hop_limit;
  const __u8* type = bytes_at(ctx, p->l4, 1);
  if (!type) return 0;
  int listener = (*type >= LISTENER_FIRST && *type <= LISTENER_LAST) || *type == LISTENER_REPORT;
  int neighbour = *type > LISTENER_LAST && *type <= NEIGHBOUR_LAST;
  // What has them comes from the link itself: no router passes it on.
  return (neighbour && hops == 255) || (listener && hops == 1);
}

static __always_inline int is_arp(context* ctx) { return ethernet_type(ctx) == bpf_htons(ETH_P_ARP); }

// A packet without ports that are known. A first fragment that hides its flags, and a later one without a
// first, could be anything.
__noinline int police_odd(context* ctx, const struct packet* p, const struct weft_policy_pod* pod,
                          __u32 how) {
  if (!p || !pod) return DROP;
  if (!(pod->flags & ISOLATED) || how & FROM_NODE || is_arp(ctx) || finds_neighbours(ctx, p)) return PASS;
  __u8 protocol = p->tuple.protocol;
  if (!p->l4 || is_tcp(protocol) || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP ||
      p->fragment == LATER_FRAGMENT)
    return count_policy(WEFT_POLICY_DENIED_INGRESS + (how & TO_PEER), DROP);
  return police(ctx, p, 0, pod, how);
}

// At a link whose pod is not known yet.
static __noinline int refuse_unknown(context* ctx) {
  struct packet p = {};
  if (is_arp(ctx) || (parse_ip(ctx, &p) >= 0 && finds_neighbours(ctx, &p))) return PASS;
  return count_policy(WEFT_POLICY_UNKNOWN_POD, DROP);
}
