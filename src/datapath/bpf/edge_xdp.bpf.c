// The node edge at XDP, for links whose driver has it: what goes on to another node leaves by the link it
// came from before the kernel has made a packet of it. All else is left as it is to the program at tc, and so
// is what routing cannot send yet.
#define WEFT_XDP
#include "datapath/bpf/choice.h"

// XDP sends a packet back by the link it came from; other links may not take it.
static __always_inline int goes_back(context* ctx, struct bpf_fib_lookup* route, const struct packet* p,
                                     const struct weft_tuple* to) {
  long found = find_route(ctx, route, p->tuple.src, to->dst, to->protocol, p->v6);
  return found == BPF_FIB_LKUP_RET_SUCCESS && route->ifindex == ctx->ingress_ifindex;
}

static __always_inline int send_back(context* ctx, const struct packet* p, const __u8* to, const __u8* from) {
  return decrement_ttl(ctx, p) < 0 || store_macs(ctx, to, from) < 0 ? DROP : XDP_TX;
}

static __always_inline int go_on(context* ctx, struct packet* p, struct weft_nat* flow) {
  __u32 flags = flow->flags;
  if (!(flags & (WEFT_FLOW_REDIRECT | WEFT_FLOW_DIRECT))) return PASS;
  struct weft_tuple to;
  tuple_after(&to, flow, p->tuple.protocol);
  if (!flow->out_link || is_due(flow)) {
    struct bpf_fib_lookup route;
    if (!goes_back(ctx, &route, p, &to)) return PASS;
    note_packet(flow, p);
    keep_route(flow, &route);
  } else {
    if (flow->out_link != ctx->ingress_ifindex) return PASS;
    note_packet(flow, p);
  }
  if (!(flags & WEFT_FLOW_DIRECT) && rewrite(ctx, p, &to) < 0) return DROP;
  return send_back(ctx, p, flow->next_mac, flow->own_mac);
}

static __always_inline int begin(context* ctx, struct packet* p, const struct weft_frontend_key* key,
                                 struct weft_frontend* frontend) {
  if (frontend->edge_flags & WEFT_FRONTEND_SOURCES && !may_come(p, key))
    return count(WEFT_EDGE_SOURCE_DENIED, DROP);
  const struct weft_edge* node = settings();
  if (!node || !frontend->edge_count) return PASS;
  __u64 id = 0;
  struct weft_backend* backend = choose(p, frontend, 1, &id);
  if (!backend || backend->flags & WEFT_BACKEND_LOCAL) return PASS;
  struct weft_tuple to = p->tuple;
  copy16(to.dst, backend->addr);
  to.dport = backend->port;
  struct bpf_fib_lookup route;
  if (!goes_back(ctx, &route, p, &to)) return PASS;
  __u32 flags = WEFT_FLOW_SERVICE;
  long begun = node->direct_return ? begin_flow(&p->tuple, &to, flags | WEFT_FLOW_DIRECT, id)
                                   : begin_as_node(&p->tuple, &to, flags | WEFT_FLOW_REDIRECT, id, p->v6);
  if (begun < 0) return drop_first(begun);
  if (!node->direct_return && rewrite(ctx, p, &to) < 0) return DROP;
  return send_back(ctx, p, route.dmac, route.smac);
}

SEC("xdp")
int edge_xdp(context* ctx) {
  struct packet p = {};
  if (parse(ctx, &p) < 0 || p.fragment != WHOLE || !has_ports(&p)) return PASS;
  struct weft_nat* flow = find_flow(&p);
  if (flow) return go_on(ctx, &p, flow);
  struct weft_frontend_key key = {};
  struct weft_frontend* frontend = frontend_of(&p, &key);
  return frontend ? begin(ctx, &p, &key, frontend) : PASS;
}

char _license[] SEC("license") = "GPL";
