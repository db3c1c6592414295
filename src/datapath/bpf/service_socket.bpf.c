// Socket load balancing: a socket that asks for a Service address is given one of its backends when it
// connects (or, unconnected UDP, when it sends); no packet is touched afterwards. Attached to the node's
// cgroup.
#include <linux/bpf.h>
#include <linux/in.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "datapath/bpf/service_maps.h"
#include "datapath/bpf/socket_peers.h"

#define ECONNREFUSED 111
#define EADDRINUSE 98
#define AF_INET 2

#define ALLOW 1
#define REFUSE 0

// Linux 5.18 and later can give the program's caller an errno; earlier ones answer EPERM.
const volatile __u32 can_set_retval = 0;

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct weft_node);
} node SEC(".maps");

// Unconnected UDP sockets that ask several Services: which backend a socket uses for a frontend, and which
// frontend a backend's datagrams are to show. A datagram on this way looks at both and writes what is
// missing, so losing one of them costs little.
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 65536);
  __type(key, struct weft_flow_key);
  __type(value, __u64);
} choices SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 65536);
  __type(key, struct weft_flow_key);
  __type(value, struct weft_flow);
} flows SEC(".maps");

// The address that the caller asks for (connect, sendmsg) or is about to be shown (recvmsg, getpeername).
static __always_inline void read_user(struct bpf_sock_addr* ctx, int v6, __u8* addr, __be16* port) {
  __u32* words = (__u32*)addr;
  if (v6) {
    words[0] = ctx->user_ip6[0];
    words[1] = ctx->user_ip6[1];
    words[2] = ctx->user_ip6[2];
    words[3] = ctx->user_ip6[3];
  } else {
    words[0] = 0;
    words[1] = 0;
    words[2] = bpf_htonl(0xffff);
    words[3] = ctx->user_ip4;
  }
  *port = (__be16)ctx->user_port;
}

static __always_inline void write_user(struct bpf_sock_addr* ctx, int v6, const __u8* addr, __be16 port) {
  const __u32* words = (const __u32*)addr;
  if (v6) {
    ctx->user_ip6[0] = words[0];
    ctx->user_ip6[1] = words[1];
    ctx->user_ip6[2] = words[2];
    ctx->user_ip6[3] = words[3];
  } else {
    ctx->user_ip4 = words[3];
  }
  ctx->user_port = port;
}

static __always_inline int refuse(void) {
  if (can_set_retval) bpf_set_retval(-ECONNREFUSED);
  return REFUSE;
}

static __always_inline const struct weft_node* this_node(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&node, &zero);
}

// Ranges of clients are about addresses, which a socket has only once it is connected: pods are held to them
// at their edge, packet by packet. The node itself may always.
static __always_inline int is_left_to_packets(struct bpf_sock_addr* ctx,
                                              const struct weft_frontend* frontend) {
  if (!(frontend->edge_flags & WEFT_FRONTEND_SOURCES)) return 0;
  const struct weft_node* self = this_node();
  return self && self->netns_cookie && self->netns_cookie != bpf_get_netns_cookie(ctx);
}

// A pod that is its own backend: over its loopback no policy would be asked. Its packets leave it, and its
// edge chooses.
static __always_inline int is_itself(struct bpf_sock_addr* ctx, const struct weft_backend* backend) {
  __u64 netns = bpf_get_netns_cookie(ctx);
  const struct weft_local_pod* pod = bpf_map_lookup_elem(&local_pods, &netns);
  return pod && (same_addr(backend->addr, pod->v4) || same_addr(backend->addr, pod->v6));
}

// The socket connects to what it asked for. It may have been connected to a Service before.
static __always_inline int leave(struct bpf_sock_addr* ctx, int udp) {
  if (udp) {
    __u64 cookie = bpf_get_socket_cookie(ctx);
    bpf_map_delete_elem(&udp_peers, &cookie);
  }
  return ALLOW;
}

// For a socket the client is its network namespace: its address is not chosen yet.
static __always_inline struct weft_backend* choose(struct bpf_sock_addr* ctx, struct weft_frontend_key* key,
                                                   struct weft_frontend* frontend, __u64* id) {
  struct weft_affinity_key client = {.set = frontend->set};
  if (frontend->affinity_seconds) {
    *(__u64*)client.client = bpf_get_netns_cookie(ctx);
    struct weft_backend* same = had_last(&client, frontend->affinity_seconds, id);
    if (same) return same;
  }
  struct weft_backend* backend = 0;
  for (int attempt = 0; attempt < 4 && !backend; attempt++) {
    backend = any_of(frontend->set, frontend->count, id);
    if (backend) break;
    // The engine fills slots before it raises a frontend's count and empties them after it has lowered it;
    // who read the old count and met an emptied slot reads again.
    frontend = bpf_map_lookup_elem(&frontends, key);
    if (!frontend || !frontend->count) return 0;
  }
  if (backend && frontend && frontend->affinity_seconds) keep_affinity(&client, *id);
  return backend;
}

// What becomes of a socket whose frontend gives it no backend.
static __always_inline int without_backend(struct weft_frontend* frontend) {
  // Left as it is, the address leads nowhere: the node drops what is addressed to Services.
  return frontend->flags & WEFT_FRONTEND_DROP ? ALLOW : refuse();
}

static __always_inline void fill_peer(struct weft_peer* peer, const struct weft_frontend_key* frontend,
                                      const __u8* addr, __be16 port) {
  peer->frontend_port = frontend->port;
  peer->backend_port = port;
  copy_addr(peer->frontend_addr, frontend->addr);
  copy_addr(peer->backend_addr, addr);
}

static __always_inline int is_frontend(const struct weft_peer* peer, const __u8* addr, __be16 port) {
  return peer->frontend_port == port && same_addr(peer->frontend_addr, addr);
}

static __always_inline int is_backend(const struct weft_peer* peer, const __u8* addr, __be16 port) {
  return peer->backend_port == port && same_addr(peer->backend_addr, addr);
}

static __always_inline int on_connect(struct bpf_sock_addr* ctx, int v6) {
  struct weft_frontend_key key = {};
  int udp = ctx->protocol == IPPROTO_UDP;
  if (!udp && ctx->protocol != IPPROTO_TCP && ctx->protocol != IPPROTO_MPTCP) return ALLOW;
  read_user(ctx, v6, key.addr, &key.port);
  key.protocol = udp ? IPPROTO_UDP : IPPROTO_TCP;

  struct weft_frontend* frontend = find_frontend(&key);
  if (!frontend || is_left_to_packets(ctx, frontend)) return leave(ctx, udp);
  __u64 id = 0;
  struct weft_backend* backend = choose(ctx, &key, frontend, &id);
  if (!backend) return without_backend(frontend);
  if (is_itself(ctx, backend)) return leave(ctx, udp);

  __u64 cookie = bpf_get_socket_cookie(ctx);
  struct weft_peer peer = {.netns_cookie = bpf_get_netns_cookie(ctx)};
  fill_peer(&peer, &key, backend->addr, backend->port);
  if (udp)
    bpf_map_update_elem(&udp_peers, &cookie, &peer, BPF_ANY);
  else
    bpf_map_update_elem(&tcp_peers, &cookie, &peer, BPF_ANY);
  write_user(ctx, v6, backend->addr, backend->port);
  return ALLOW;
}

// The backend that the socket uses already, if its frontend still has it.
static __always_inline struct weft_backend* chosen_before(struct weft_flow_key* choice,
                                                          struct weft_frontend* frontend, __u64* id) {
  __u64* found = bpf_map_lookup_elem(&choices, choice);
  if (!found) return 0;
  *id = *found;
  struct weft_backend* backend = bpf_map_lookup_elem(&backends, id);
  return backend && backend->set == frontend->set ? backend : 0;
}

// For a socket that asks several Services, both ways.
static __always_inline void remember(__u64 cookie, const struct weft_peer* peer, __u64 id) {
  struct weft_flow_key choice = {.cookie = cookie, .port = peer->frontend_port};
  copy_addr(choice.addr, peer->frontend_addr);
  __u64* kept = bpf_map_lookup_elem(&choices, &choice);
  if (!kept || *kept != id) bpf_map_update_elem(&choices, &choice, &id, BPF_ANY);

  struct weft_flow_key from = {.cookie = cookie, .port = peer->backend_port};
  copy_addr(from.addr, peer->backend_addr);
  struct weft_flow* shown = bpf_map_lookup_elem(&flows, &from);
  if (shown && is_frontend(peer, shown->addr, shown->port)) return;
  struct weft_flow flow = {.port = peer->frontend_port};
  copy_addr(flow.addr, peer->frontend_addr);
  bpf_map_update_elem(&flows, &from, &flow, BPF_ANY);
}

static __always_inline int on_sendmsg(struct bpf_sock_addr* ctx, int v6) {
  struct weft_frontend_key key = {.protocol = IPPROTO_UDP};
  read_user(ctx, v6, key.addr, &key.port);
  __u64 cookie = bpf_get_socket_cookie(ctx);
  struct weft_recent* recent = bpf_map_lookup_elem(&udp_recent, &cookie);
  if (recent && is_frontend(&recent->peer, key.addr, key.port)) {
    __u64 same = recent->backend;
    if (same == WEFT_BACKEND_AT_EDGE) return ALLOW;
    struct weft_backend* backend = bpf_map_lookup_elem(&backends, &same);
    if (backend) {
      write_user(ctx, v6, backend->addr, backend->port);
      return ALLOW;
    }
  }

  struct weft_frontend* frontend = find_frontend(&key);
  if (!frontend || is_left_to_packets(ctx, frontend)) return ALLOW;
  if (!frontend->count) return without_backend(frontend);
  struct weft_backend* backend = 0;
  struct weft_recent now = {};
  __u64 id = 0;
  if (recent) {
    struct weft_flow_key choice = {.cookie = cookie, .port = key.port};
    copy_addr(choice.addr, key.addr);
    backend = chosen_before(&choice, frontend, &id);
  }
  if (id != WEFT_BACKEND_AT_EDGE) {
    if (!backend) backend = choose(ctx, &key, frontend, &id);
    if (!backend) return without_backend(frontend);
    if (is_itself(ctx, backend)) id = WEFT_BACKEND_AT_EDGE;
  }
  int at_edge = id == WEFT_BACKEND_AT_EDGE || !backend;
  now.backend = id;
  if (at_edge)
    fill_peer(&now.peer, &key, key.addr, key.port);
  else
    fill_peer(&now.peer, &key, backend->addr, backend->port);
  if (recent) {
    remember(cookie, &recent->peer, recent->backend);
    remember(cookie, &now.peer, id);
  }
  bpf_map_update_elem(&udp_recent, &cookie, &now, BPF_ANY);
  if (!at_edge) write_user(ctx, v6, backend->addr, backend->port);
  return ALLOW;
}

static __always_inline int on_recvmsg(struct bpf_sock_addr* ctx, int v6) {
  struct weft_flow_key from = {.cookie = bpf_get_socket_cookie(ctx)};
  read_user(ctx, v6, from.addr, &from.port);
  struct weft_peer* peer = bpf_map_lookup_elem(&udp_peers, &from.cookie);
  if (!peer || !is_backend(peer, from.addr, from.port)) {
    struct weft_recent* recent = bpf_map_lookup_elem(&udp_recent, &from.cookie);
    if (!recent) return ALLOW;
    peer = &recent->peer;
  }
  if (is_backend(peer, from.addr, from.port)) {
    write_user(ctx, v6, peer->frontend_addr, peer->frontend_port);
    return ALLOW;
  }
  struct weft_flow* flow = bpf_map_lookup_elem(&flows, &from);
  if (flow) write_user(ctx, v6, flow->addr, flow->port);
  return ALLOW;
}

static __always_inline int on_getpeername(struct bpf_sock_addr* ctx, int v6) {
  __u64 cookie = bpf_get_socket_cookie(ctx);
  struct weft_peer* peer = ctx->protocol == IPPROTO_UDP ? bpf_map_lookup_elem(&udp_peers, &cookie)
                                                        : bpf_map_lookup_elem(&tcp_peers, &cookie);
  struct weft_flow_key shown = {};
  read_user(ctx, v6, shown.addr, &shown.port);
  if (peer && is_backend(peer, shown.addr, shown.port))
    write_user(ctx, v6, peer->frontend_addr, peer->frontend_port);
  return ALLOW;
}

SEC("cgroup/sock_release")
int sock_release(struct bpf_sock* ctx) {
  __u64 cookie = bpf_get_socket_cookie(ctx);
  if (ctx->protocol == IPPROTO_UDP) {
    bpf_map_delete_elem(&udp_peers, &cookie);
    bpf_map_delete_elem(&udp_recent, &cookie);
  } else if (ctx->protocol == IPPROTO_TCP || ctx->protocol == IPPROTO_MPTCP) {
    bpf_map_delete_elem(&tcp_peers, &cookie);
  }
  return ALLOW;
}

static __always_inline int has_node_port(const __u8* addr, __be16 port, __u8 protocol) {
  struct weft_frontend_key key = {.port = port, .protocol = protocol};
  copy_addr(key.addr, addr);
  return bpf_map_lookup_elem(&frontends, &key) != 0;
}

// A process of the node that takes a node port would get nothing, without a word: it is told at once.
static __always_inline int on_bind(struct bpf_sock* ctx, const __u8* addr, int any) {
  const struct weft_node* self = this_node();
  __u8 protocol = ctx->protocol == IPPROTO_MPTCP ? IPPROTO_TCP : ctx->protocol;
  if (!self || !self->netns_cookie || (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)) return ALLOW;
  if (self->netns_cookie != bpf_get_netns_cookie(ctx)) return ALLOW;
  __be16 port = bpf_htons((__u16)ctx->src_port);
  int taken = any ? has_node_port(self->node4, port, protocol) || has_node_port(self->node6, port, protocol)
                  : has_node_port(addr, port, protocol);
  if (!taken) return ALLOW;
  if (can_set_retval) bpf_set_retval(-EADDRINUSE);
  return REFUSE;
}

SEC("cgroup/post_bind4")
int post_bind4(struct bpf_sock* ctx) {
  __u8 addr[16];
  __u32 words[4] = {0, 0, bpf_htonl(0xffff), ctx->src_ip4};
  __builtin_memcpy(addr, words, 16);
  return on_bind(ctx, addr, !ctx->src_ip4);
}

SEC("cgroup/post_bind6")
int post_bind6(struct bpf_sock* ctx) {
  __u8 addr[16];
  __u32 words[4] = {ctx->src_ip6[0], ctx->src_ip6[1], ctx->src_ip6[2], ctx->src_ip6[3]};
  __builtin_memcpy(addr, words, 16);
  return on_bind(ctx, addr, !(words[0] | words[1] | words[2] | words[3]));
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr* ctx) { return on_connect(ctx, 0); }

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr* ctx) { return on_connect(ctx, 1); }

SEC("cgroup/sendmsg4")
int sendmsg4(struct bpf_sock_addr* ctx) { return on_sendmsg(ctx, 0); }

SEC("cgroup/sendmsg6")
int sendmsg6(struct bpf_sock_addr* ctx) { return on_sendmsg(ctx, 1); }

SEC("cgroup/recvmsg4")
int recvmsg4(struct bpf_sock_addr* ctx) { return on_recvmsg(ctx, 0); }

SEC("cgroup/recvmsg6")
int recvmsg6(struct bpf_sock_addr* ctx) { return on_recvmsg(ctx, 1); }

SEC("cgroup/getpeername4")
int getpeername4(struct bpf_sock_addr* ctx) { return on_getpeername(ctx, 0); }

SEC("cgroup/getpeername6")
int getpeername6(struct bpf_sock_addr* ctx) { return on_getpeername(ctx, 1); }

char _license[] SEC("license") = "GPL";
