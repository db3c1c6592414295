// The edges at tc. Of the node, both directions of every uplink: packets that come to Service addresses from
// elsewhere go to a backend, and its answers come back from the Service's address; what pods send to the
// outside gets the node's address. Of a pod, both directions of its link: what it sends to Service addresses
// without a socket that was balanced (raw packets, virtual machines, nested namespaces, SCTP), what
// policies deny it to send or to get, and the answers to its questions for plain names.
#include "datapath/bpf/choice.h"
#include "datapath/bpf/dns.h"
#include "datapath/bpf/policy.h"

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 8192);
  __type(key, struct weft_fragment_key);
  __type(value, struct weft_fragment);
} fragments SEC(".maps");

// Whether routing names a link. Too big for it is no reason to stop here: a tunnel's own packets may be
// fragmented, and it is the stack behind it that tells the sender, by an error that is translated on its way
// back.
static __always_inline int has_route(long found) {
  return found == BPF_FIB_LKUP_RET_SUCCESS || found == BPF_FIB_LKUP_RET_NO_NEIGH ||
         found == BPF_FIB_LKUP_RET_FRAG_NEEDED;
}

// By way of the next hop, which the kernel may have to ask for first.
static __noinline int send_to_hop(const struct bpf_fib_lookup* route) {
  struct bpf_redir_neigh hop = {.nh_family = route->family};
  if (route->family == AF_INET)
    hop.ipv4_nh = route->ipv4_dst;
  else
    __builtin_memcpy(hop.ipv6_nh, route->ipv6_dst, 16);
  return (int)bpf_redirect_neigh(route->ifindex, &hop, sizeof(hop), 0);
}

// The packet leaves for `to` by the link that routing names, past the node's stack.
__noinline int redirect_out(context* ctx, struct packet* p, const struct weft_tuple* to) {
  struct scratch* scratch = get_scratch();
  if (!p || !to || !scratch) return DROP;
  if (decrement_ttl(ctx, p) < 0) return DROP;
  if (!has_route(find_route(ctx, &scratch->route, to->src, to->dst, to->protocol, p->v6)))
    return count(WEFT_EDGE_NO_ROUTE, DROP);
  return send_to_hop(&scratch->route);
}

static __always_inline int goes_to_pod(__u32 flags) {
  __u32 both = WEFT_FLOW_TO_POD | WEFT_FLOW_ORIGINAL;
  return (flags & both) == both;
}

// Past the program at the pod's link, too.
static __always_inline int goes_into_pod(__u32 flags) {
  return goes_to_pod(flags) && !(flags & WEFT_FLOW_GUARDED);
}

// The same for a connection, which keeps its way for a moment.
static __noinline int find_way_out(context* ctx, struct packet* p, struct weft_nat* flow,
                                   const struct weft_tuple* to) {
  struct scratch* scratch = get_scratch();
  if (!scratch) return DROP;
  long found = find_route(ctx, &scratch->route, to->src, to->dst, to->protocol, p->v6);
  // What does not fit into a pod's link, the stack cuts to size, or tells the client.
  if (found == BPF_FIB_LKUP_RET_FRAG_NEEDED && goes_to_pod(flow->flags)) return PASS;
  if (found == BPF_FIB_LKUP_RET_SUCCESS) {
    keep_route(flow, &scratch->route);
    // A pod that somebody else has connected, by whatever device.
    if (flow->own_mac[0] != WEFT_POD_LINK_MAC || flow->own_mac[5] != WEFT_POD_LINK_MAC)
      flow->flags &= ~WEFT_FLOW_TO_POD;
    if (flow->flags & WEFT_FLOW_TO_POD && is_guarded(scratch->route.ifindex))
      flow->flags |= WEFT_FLOW_GUARDED;
    else
      flow->flags &= ~WEFT_FLOW_GUARDED;
  }
  if (!has_route(found)) return count(WEFT_EDGE_NO_ROUTE, DROP);
  return decrement_ttl(ctx, p) < 0 ? DROP : send_to_hop(&scratch->route);
}

static __always_inline int send_on(context* ctx, struct packet* p, struct weft_nat* flow,
                                   const struct weft_tuple* to) {
  __u32 link = flow->out_link;
  if (!link) return find_way_out(ctx, p, flow, to);
  if (decrement_ttl(ctx, p) < 0 || store_macs(ctx, flow->next_mac, flow->own_mac) < 0) return DROP;
  return (int)(goes_into_pod(flow->flags) ? bpf_redirect_peer(link, 0) : bpf_redirect(link, 0));
}

// Whether translated packets must not pass through the node's stack: it would take an address of its own as
// their source for spoofed.
static __always_inline int passes_stack(__u32 flags) {
  if (flags & WEFT_FLOW_REDIRECT) return 0;
  return !(flags & WEFT_FLOW_POD) || flags & WEFT_FLOW_ORIGINAL;
}

static __always_inline int translate(context* ctx, struct packet* p, struct weft_nat* flow) {
  struct weft_tuple to;
  tuple_after(&to, flow, p->tuple.protocol);
  note_packet(flow, p);
  __u32 flags = flow->flags;
  // A direct return is answered by the backend's node: the packet goes there as it is.
  if (flags & WEFT_FLOW_DIRECT) return send_on(ctx, p, flow, &to);
  if (rewrite_here(ctx, p, &to) < 0) return DROP;
  return passes_stack(flags) ? PASS : send_on(ctx, p, flow, &to);
}

// The ports of later fragments are those of the first. Less than 0: that one was not seen.
static __noinline int follow_fragment(struct packet* p) {
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

// The node refuses in the Service's name: at its own port 0, where nobody can listen. What it answers (a RST,
// an ICMP error) is translated back.
static __noinline int refuse(context* ctx, struct packet* p, __u32 flags) {
  const struct weft_edge* node = settings();
  if (!node) return DROP;
  struct weft_tuple to = p->tuple;
  copy16(to.dst, p->v6 ? node->node6 : node->node4);
  to.dport = 0;
  count(WEFT_EDGE_NO_BACKEND, 0);
  if (begin_flow(&p->tuple, &to, flags, 0) < 0) return DROP;
  return rewrite(ctx, p, &to) < 0 ? DROP : PASS;
}

static __always_inline int without_backend(context* ctx, struct packet* p, __u32 frontend_flags,
                                           __u32 flags) {
  if (frontend_flags & WEFT_FRONTEND_DROP) return count(WEFT_EDGE_NO_BACKEND, DROP);
  return refuse(ctx, p, flags);
}

// The first packet of a connection, once it was begun or could not be.
static __always_inline int send_first(context* ctx, struct packet* p, const struct weft_tuple* to,
                                      __u32 flags, long begun) {
  if (begun < 0) return drop_first(begun);
  if (rewrite(ctx, p, to) < 0) return DROP;
  // Into a pod by the stack, which looks at its size; but not with an address of the node's own.
  if (flags & WEFT_FLOW_TO_POD && same16(to->src, p->tuple.src)) return PASS;
  return flags & WEFT_FLOW_REDIRECT ? redirect_out(ctx, p, to) : PASS;
}

static __noinline int begin_service(context* ctx, struct packet* p, const struct weft_frontend_key* key,
                                    struct weft_frontend* frontend) {
  if (p->fragment == LATER_FRAGMENT) return DROP;
  if (frontend->edge_flags & WEFT_FRONTEND_SOURCES && !may_come(p, key))
    return count(WEFT_EDGE_SOURCE_DENIED, DROP);
  if (!frontend->edge_count) return without_backend(ctx, p, frontend->edge_flags, 0);
  __u64 id = 0;
  struct weft_backend* backend = choose(p, frontend, 1, &id);
  if (!backend) return count(WEFT_EDGE_NO_BACKEND, DROP);
  struct weft_tuple to = p->tuple;
  copy16(to.dst, backend->addr);
  to.dport = backend->port;
  __u32 flags = WEFT_FLOW_SERVICE;
  long begun = -EEXIST;
  // A backend on this node answers by way of this node: it may see who asks, if need be at another port, as
  // when the client has used this one for another address of the Service. A pod is reached past the stack,
  // both ways; a process of the node is not.
  if (backend->flags & WEFT_BACKEND_LOCAL) {
    if (place_of(to.dst) & WEFT_PREFIX_OWN_PODS)
      flags |= WEFT_FLOW_REDIRECT | WEFT_FLOW_POD | WEFT_FLOW_TO_POD;
    begun = begin_flow(&p->tuple, &to, flags, id);
    if (begun == -EEXIST) begun = begin_with_free_port(&p->tuple, &to, flags, id);
  } else {
    const struct weft_edge* node = settings();
    if (node && node->direct_return) {
      if (begin_flow(&p->tuple, &to, flags | WEFT_FLOW_DIRECT, id) < 0)
        return count(WEFT_EDGE_TABLE_FULL, DROP);
      return redirect_out(ctx, p, &to);
    }
    flags |= WEFT_FLOW_REDIRECT;
  }
  if (begun == -EEXIST) begun = begin_as_node(&p->tuple, &to, flags, id, p->v6);
  return send_first(ctx, p, &to, flags, begun);
}

// What a pod sends to a Service. It sees the client's address, unless the answer would not come back this
// way: from the client itself, or from outside the cluster.
static __noinline int begin_at_pod(context* ctx, struct packet* p, const struct weft_frontend_key* key,
                                   struct weft_frontend* frontend, const struct weft_policy_pod* pod) {
  __u32 flags = WEFT_FLOW_SERVICE | WEFT_FLOW_POD;
  if (p->fragment == LATER_FRAGMENT) return DROP;
  if (frontend->edge_flags & WEFT_FRONTEND_SOURCES && !may_come(p, key))
    return count(WEFT_EDGE_SOURCE_DENIED, DROP);
  if (!frontend->count) return without_backend(ctx, p, frontend->flags, flags);
  __u64 id = 0;
  struct weft_backend* backend = choose(p, frontend, 0, &id);
  if (!backend) return count(WEFT_EDGE_NO_BACKEND, DROP);
  struct weft_tuple to = p->tuple;
  copy16(to.dst, backend->addr);
  to.dport = backend->port;
  // Another backend than that of what had the same ports before may be another matter.
  if (police_usual(ctx, p, &to, pod, TO_PEER | BEGINS) == DROP) return DROP;
  long begun = -EEXIST;
  if (!same16(to.dst, p->tuple.src) && place_of(to.dst) & WEFT_PREFIX_CLUSTER)
    begun = begin_flow(&p->tuple, &to, flags, id);
  if (begun == -EEXIST) {
    flags |= WEFT_FLOW_REDIRECT;
    begun = begin_as_node(&p->tuple, &to, flags, id, p->v6);
  }
  return send_first(ctx, p, &to, flags, begun);
}

// The packet inside an ICMP error. Less than 0: none that could have been translated.
static __always_inline int parse_inner(context* ctx, const struct packet* p, struct packet* inner) {
  __builtin_memset(inner, 0, sizeof(*inner));
  inner->l3 = p->l4 + 8;
  pull_headers(ctx, inner->l3 + sizeof(struct ipv6hdr) + 8);
  int parsed = p->v6 ? parse_v6(ctx, inner) : parse_v4(ctx, inner);
  if (parsed < 0 || inner->fragment == LATER_FRAGMENT) return -1;
  __u8 protocol = inner->tuple.protocol;
  if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP && protocol != IPPROTO_SCTP) return -1;
  const __be16* ports = bytes_at(ctx, inner->l4, 4);
  if (!ports) return -1;
  inner->tuple.sport = ports[0];
  inner->tuple.dport = ports[1];
  inner->v6 = p->v6;
  return 0;
}

// The inner packet's ports and addresses, and the outer one's addresses.
static __always_inline int rewrite_error(context* ctx, const struct packet* p, struct scratch* s) {
  struct packet* inner = &s->inner;
  __u32 sum = p->l4 + 2;
  if (p->v6) {
    // The inner addresses are the error's own bytes, the outer ones its pseudo header.
    __u32 change = words_change((const __u32*)inner->tuple.src, (const __u32*)s->to.src, 8);
    if (update_sum(ctx, sum, change, 0, 0) < 0) return -1;
    change = words_change((const __u32*)p->tuple.src, (const __u32*)s->outer.src, 8);
    if (update_sum(ctx, sum, change, 1, 0) < 0) return -1;
  }
  // The inner IPv4 header sums up to the same with its own checksum, whatever its addresses.
  __u32 was = (__u32)inner->tuple.sport | (__u32)inner->tuple.dport << 16;
  __u32 now = (__u32)s->to.sport | (__u32)s->to.dport << 16;
  if (update_sum(ctx, sum, words_change(&was, &now, 1), 0, 0) < 0) return -1;
  __be16* ports = bytes_at(ctx, inner->l4, 4);
  if (!ports) return -1;
  ports[0] = s->to.sport;
  ports[1] = s->to.dport;
  if (store_addresses(ctx, inner, &s->to) < 0) return -1;
  return store_addresses(ctx, p, &s->outer);
}

// Where a program stands: what leaves by a link cannot be sent by another one any more, what was sent on for
// a direct return passes here again, and at a pod only what began there is translated.
enum place { ARRIVING, FROM_POD, LEAVING_NODE, LEAVING_FOR_POD };

// An ICMP error about a packet that was translated is about the packet as its sender knew it.
__noinline int translate_error(context* ctx, struct packet* p, enum place place) {
  struct scratch* scratch = get_scratch();
  if (!p || !scratch) return PASS;
  struct packet* inner = &scratch->inner;
  if (parse_inner(ctx, p, inner) < 0) return PASS;

  // The error travels as answers to the inner packet do.
  struct weft_tuple answer;
  invert(&answer, inner->tuple.src, inner->tuple.dst, inner->tuple.sport, inner->tuple.dport,
         inner->tuple.protocol);
  struct weft_nat* flow = bpf_map_lookup_elem(&nat, &answer);
  if (!flow) return PASS;
  __u32 flags = flow->flags;
  if ((place == FROM_POD || place == LEAVING_FOR_POD) && !(flags & WEFT_FLOW_POD)) return PASS;
  scratch->to.sport = flow->dport;
  scratch->to.dport = flow->sport;
  scratch->to.protocol = inner->tuple.protocol;
  copy16(scratch->to.src, flow->dst);
  copy16(scratch->to.dst, flow->src);
  if (flags & WEFT_FLOW_DIRECT) {
    if (place != ARRIVING) return PASS;
    copy16(answer.dst, flow->dst);
    return redirect_out(ctx, p, &answer);
  }
  scratch->outer = p->tuple;
  if (same16(p->tuple.src, answer.src)) copy16(scratch->outer.src, flow->src);
  copy16(scratch->outer.dst, flow->dst);
  if (rewrite_error(ctx, p, scratch) < 0) return DROP;
  return place == LEAVING_FOR_POD || passes_stack(flags) ? PASS : redirect_out(ctx, p, &scratch->outer);
}

// Whether it is surely inside the cluster: for most traffic that is cheaper to see than a prefix.
static __always_inline int is_inside(const struct weft_edge* node, const __u8* addr, int v6) {
  const __u64* words = (const __u64*)addr;
  const struct weft_range* ranges = v6 ? node->inside6 : node->inside4;
  for (int i = 0; i < WEFT_INSIDE_RANGES; i++) {
    const struct weft_range* range = &ranges[i];
    if (!(((words[0] ^ range->base[0]) & range->mask[0]) | ((words[1] ^ range->base[1]) & range->mask[1])))
      return 1;
  }
  return 0;
}

// A datagram for a pod from outside the cluster: the pod's answer must not be taken for a connection of its
// own.
static __noinline void note_visitor(const struct packet* p) {
  const struct weft_edge* node = settings();
  if (!node || same16(p->tuple.dst, p->v6 ? node->node6 : node->node4)) return;
  if (is_inside(node, p->tuple.src, p->v6) || place_of(p->tuple.src) & WEFT_PREFIX_CLUSTER) return;
  if (!(place_of(p->tuple.dst) & WEFT_PREFIX_OWN_PODS)) return;
  begin_flow(&p->tuple, &p->tuple, 0, 0);
}

SEC("tc")
int edge_in(context* ctx) {
  struct packet p = {};
  if (parse(ctx, &p) < 0 || (p.fragment != WHOLE && follow_fragment(&p) < 0)) return PASS;
  if (p.icmp_error) return translate_error(ctx, &p, ARRIVING);
  struct weft_nat* flow = find_flow(&p);
  if (flow) return translate(ctx, &p, flow);
  struct weft_frontend_key key = {};
  struct weft_frontend* frontend = frontend_of(&p, &key);
  if (frontend) return begin_service(ctx, &p, &key, frontend);
  if (p.tuple.protocol != IPPROTO_TCP && p.tuple.protocol != IPPROTO_SCTP) note_visitor(&p);
  return PASS;
}

// Whether a pod's packet begins something outside the cluster.
static __always_inline int leaves_cluster(const struct packet* p) {
  if (p->tuple.protocol == IPPROTO_TCP && (p->tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN) return 0;
  const struct weft_edge* node = settings();
  if (!node || !node->masquerade || is_inside(node, p->tuple.dst, p->v6)) return 0;
  return !(place_of(p->tuple.dst) & WEFT_PREFIX_CLUSTER) && place_of(p->tuple.src) & WEFT_PREFIX_OWN_PODS;
}

SEC("tc")
int edge_out(context* ctx) {
  struct packet p = {};
  if (parse(ctx, &p) < 0 || (p.fragment != WHOLE && follow_fragment(&p) < 0)) return PASS;
  if (p.icmp_error) return translate_error(ctx, &p, LEAVING_NODE);
  struct weft_nat* flow = entry_of(&p);
  if (flow && flow->flags & WEFT_FLOW_DIRECT) return PASS;
  flow = still_valid(&p, flow);
  if (flow) return translate(ctx, &p, flow);
  if (!leaves_cluster(&p)) return PASS;
  struct weft_tuple to = p.tuple;
  return send_first(ctx, &p, &to, 0, begin_as_node(&p.tuple, &to, 0, 0, p.v6));
}

// From a pod. Connections that began at the node's edge are translated there. Policies are about backends:
// what refuses in the name of a Service without them is the node.
SEC("tc")
int pod_in(context* ctx) {
  struct weft_policy_pod pod;
  if (!find_pod(ctx, &pod)) return refuse_unknown(ctx);
  if (pod.flags & ISOLATED && passes_at_once(ctx, TO_PEER)) return PASS;
  struct packet p = {};
  if (parse(ctx, &p) < 0 || (p.fragment != WHOLE && follow_fragment(&p) < 0))
    return police_odd(ctx, &p, &pod, TO_PEER);
  if (p.icmp_error) return translate_error(ctx, &p, FROM_POD);
  struct weft_nat* flow = find_flow(&p);
  if (!flow) {
    struct weft_frontend_key key = {};
    struct weft_frontend* frontend = frontend_here(&p, &key);
    if (frontend) return begin_at_pod(ctx, &p, &key, frontend, &pod);
  }
  int translated = flow && flow->flags & WEFT_FLOW_POD;
  // Of a pod that no policy concerns, a translated connection was noted when it began, and is at pod_out.
  __u32 how = flow ? TO_PEER : TO_PEER | PLAIN;
  if (!(translated && (!pod.flags || !flow->backend)) && police_usual(ctx, &p, 0, &pod, how) == DROP)
    return DROP;
  if (translated) return translate(ctx, &p, flow);
  return p.tuple.protocol == IPPROTO_UDP ? answer_question(ctx, &p) : PASS;
}

// To a pod, what the node itself answers in a backend's place.
static __noinline int answer_pod(context* ctx, struct packet* p, struct weft_nat* flow) {
  struct weft_tuple to;
  tuple_after(&to, flow, p->tuple.protocol);
  note_packet(flow, p);
  return rewrite(ctx, p, &to) < 0 ? DROP : PASS;
}

// Whether a look at the IP header is enough to see that it is TCP.
static __always_inline int is_plain_tcp(context* ctx) {
  int v6 = ethernet_type(ctx) == bpf_htons(ETH_P_IPV6);
  if (!v6 && ethernet_type(ctx) != bpf_htons(ETH_P_IP)) return 0;
  const __u8* protocol = bytes_at(
      ctx, ETH_HLEN + (v6 ? offsetof(struct ipv6hdr, nexthdr) : offsetof(struct iphdr, protocol)), 1);
  return protocol && is_tcp(*protocol);
}

// To a pod.
SEC("tc")
int pod_out(context* ctx) {
  struct weft_policy_pod pod;
  if (!find_pod(ctx, &pod)) return refuse_unknown(ctx);
  __u32 how = ctx->ingress_ifindex ? WEFT_INGRESS : FROM_NODE;
  if (how != FROM_NODE) {
    if (!pod.flags && is_plain_tcp(ctx)) return PASS;
    if (pod.flags & ISOLATED && passes_at_once(ctx, 0)) return PASS;
  }
  struct packet p = {};
  if (parse(ctx, &p) < 0 || (p.fragment != WHOLE && follow_fragment(&p) < 0))
    return police_odd(ctx, &p, &pod, how);
  if (how != FROM_NODE) return p.icmp_error ? PASS : police_usual(ctx, &p, 0, &pod, WEFT_INGRESS);
  if (p.icmp_error) return translate_error(ctx, &p, LEAVING_FOR_POD);
  struct weft_nat* flow = entry_of(&p);
  if (flow && flow->flags & WEFT_FLOW_POD) return answer_pod(ctx, &p, flow);
  return police_usual(ctx, &p, 0, &pod, FROM_NODE);
}

char _license[] SEC("license") = "GPL";
