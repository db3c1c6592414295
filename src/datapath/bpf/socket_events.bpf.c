// Looks on at the sockets of a node's pods: connections that begin, fail and end, and peers that datagrams go
// to. It decides nothing. The last events are kept in memory that the reader maps, so that nobody has to be
// there for them, and what nobody asks for is never touched again.
#include "datapath/socket_layout.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "datapath/bpf/socket_peers.h"

// BPF_PROG's own parameter is not always used.
#pragma clang diagnostic ignored "-Wunused-parameter"

#define AF_INET 2
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT 2
#define TCP_SYN_RECV 3
#define TCP_CLOSE 7
#define TCP_LAST_ACK 9
#define TCP_LISTEN 10
#define ALLOW 1
#define SECOND 1000000000ULL
#define TELL_AGAIN (30 * SECOND)

// The parts of the kernel's structures that are read; where they are is found when the program is loaded.
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct in6_addr {
  union {
    __u8 u6_addr8[16];
  } in6_u;
};
struct net {
  __u64 net_cookie;
};
typedef struct {
  struct net* net;
} possible_net_t;
struct sock_common {
  __be32 skc_daddr;
  __be32 skc_rcv_saddr;
  __be16 skc_dport;
  unsigned short skc_family;
  struct in6_addr skc_v6_daddr;
  struct in6_addr skc_v6_rcv_saddr;
  possible_net_t skc_net;
  struct {
    __u64 counter;
  } skc_cookie;
};
struct sock {
  struct sock_common __sk_common;
  __u16 sk_protocol;
  int sk_err;
};
struct inet_sock {
  __be16 inet_sport;  // stays when the socket gives its port back
};
struct inet_connection_sock {
  struct inet_sock icsk_inet;
};
struct tcp_sock {
  struct inet_connection_sock inet_conn;
  __u64 bytes_acked;
  __u64 bytes_received;
  __u64 tcp_clock_cache;  // when a packet came or went last, as bpf_ktime_get_ns() has it
};
#pragma clang attribute pop

// A TCP socket that connects, or is connected. What it asked for is kept here: a socket that is closed has
// lost it.
struct beginning {
  __u64 key;  // the socket's; 0: none
  __u64 time_ns;
  __u8 frontend[16];
  __be16 frontend_port;
  __be16 remote_port;
  __u8 accepted;
  __u8 reserved[3];
} __attribute__((aligned(64)));

// A socket has the place that its address leads to, or, when another one comes to have it, an entry in the
// map. Whoever takes a place claims it first, and does without when another does so just then.
#define PLACE_BITS 10
#define CLAIMED (~0ULL)
static struct beginning places[1 << PLACE_BITS];

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 65536);
  __type(key, __u64);  // the socket's
  __type(value, struct beginning);
} beginnings SEC(".maps");

// Network namespaces that were found to be pods'. A number that one had is no other one's later.
static __u64 pods_known[256];

// To whom a pod's datagrams went lately.
struct talk {
  __u64 netns;
  __u8 remote[16];
  __be16 local_port, remote_port;
  __u32 reserved;
};
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 16384);
  __type(key, struct talk);
  __type(value, __u64);  // when it was told
} talks SEC(".maps");

// One ring a processor: they do not wait for each other.
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);  // set when it is loaded
  __type(key, __u32);      // the processor
  __type(value, struct weft_socket_ring);
} socket_rings SEC(".maps");

static __always_inline void mapped(__u8* out, __be32 v4) {
  __u32* words = (__u32*)out;
  words[0] = words[1] = 0;
  words[2] = bpf_htonl(0xffff);
  words[3] = v4;
}

static __always_inline void read_ends(const struct sock* sk, __u8* local, __u8* remote) {
  if (sk->__sk_common.skc_family == AF_INET) {
    mapped(local, sk->__sk_common.skc_rcv_saddr);
    mapped(remote, sk->__sk_common.skc_daddr);
    return;
  }
  bpf_core_read(local, 16, &sk->__sk_common.skc_v6_rcv_saddr);
  bpf_core_read(remote, 16, &sk->__sk_common.skc_v6_daddr);
}

// The place of the next event, in place of the oldest. All of it is to be written, and then published.
static __always_inline struct weft_socket_event* reserve(__u64* number) {
  __u32 processor = bpf_get_smp_processor_id();
  struct weft_socket_ring* ring = bpf_map_lookup_elem(&socket_rings, &processor);
  if (!ring) return 0;
  __u64 before = __sync_fetch_and_add(&ring->told, 1);
  *number = before + 1;
  return &ring->events[before % WEFT_SOCKET_EVENTS];
}

// Whoever sees the value sees what was written before it.
static __always_inline void publish(__u64* at, __u64 value) {
#ifdef __TARGET_ARCH_x86
  // Such a processor lets nobody see stores in another order, and need not wait for them.
  asm volatile("" ::: "memory");
  *(volatile __u64*)at = value;
#else
  __sync_lock_test_and_set(at, value);
#endif
}

// Whether what the socket asked for has become this peer.
static __always_inline int led_to(const struct weft_peer* peer, const __u8* remote, __be16 remote_port) {
  if (!peer || peer->backend_port != remote_port) return 0;
  const __u64 *a = (const __u64*)peer->backend_addr, *b = (const __u64*)remote;
  return a[0] == b[0] && a[1] == b[1];
}

static __always_inline void tell_tcp(const struct tcp_sock* tcp, const struct sock* sk,
                                     const struct beginning* begun, __u8 kind, __u64 now) {
  __u64 number, sent = 0, received = 0;
  struct weft_socket_event* event = reserve(&number);
  if (!event) return;
  if (kind == WEFT_SOCKET_CLOSED) {
    sent = tcp->bytes_acked;
    received = tcp->bytes_received;
    // A client's SYN is acknowledged like a byte.
    if (!begun->accepted && sent) sent--;
  }
  event->time_ns = now;
  event->took_ns = now - begun->time_ns;
  event->sent = sent;
  event->received = received;
  read_ends(sk, event->local, event->remote);
  __builtin_memcpy(event->frontend, begun->frontend, 16);
  event->local_port = tcp->inet_conn.icsk_inet.inet_sport;
  event->remote_port = begun->remote_port;
  event->frontend_port = begun->frontend_port;
  event->protocol = IPPROTO_TCP;
  event->kind = kind;
  event->accepted = begun->accepted;
  event->error = kind == WEFT_SOCKET_FAILED ? (__u8)sk->sk_err : 0;
  publish(&event->number, number);
}

static __always_inline struct beginning* place_of(__u64 key) {
  return &places[(key * 0x9e3779b97f4a7c15ULL) >> (64 - PLACE_BITS)];
}

static __always_inline __u64 owner_of(const struct beginning* place) {
  return *(const volatile __u64*)&place->key;
}

static __always_inline void copy_beginning(struct beginning* to, const struct beginning* from) {
  to->time_ns = from->time_ns;
  __builtin_memcpy(to->frontend, from->frontend, 16);
  to->frontend_port = from->frontend_port;
  to->remote_port = from->remote_port;
  to->accepted = from->accepted;
}

static __always_inline void keep(__u64 key, const struct beginning* begun) {
  struct beginning* place = place_of(key);
  __u64 was = owner_of(place);
  if (was == CLAIMED || __sync_val_compare_and_swap(&place->key, was, CLAIMED) != was) {
    bpf_map_update_elem(&beginnings, &key, begun, BPF_ANY);
    return;
  }
  if (was && was != key) bpf_map_update_elem(&beginnings, &was, place, BPF_ANY);
  copy_beginning(place, begun);
  publish(&place->key, key);
}

// Kernels from 6.2 on take our word for what a socket is, and need not be asked.
extern void* bpf_rdonly_cast(const void* object, __u32 type) __ksym __weak;

static __always_inline const struct tcp_sock* as_tcp(struct sock* sk, int asks) {
  if (asks) return bpf_skc_to_tcp_sock(sk);
  if (sk->sk_protocol != IPPROTO_TCP) return 0;
  return bpf_rdonly_cast(sk, bpf_core_type_id_kernel(struct tcp_sock));
}

// 0: nothing is known of its beginning.
static __always_inline int find_begun(__u64 key, const struct sock* sk, struct beginning* begun) {
  const struct beginning* place = place_of(key);
  int found = 0;
  if (owner_of(place) == key) {
    copy_beginning(begun, place);
    found = owner_of(place) == key;
  }
  if (!found) {
    place = bpf_map_lookup_elem(&beginnings, &key);
    if (!place) return 0;
    copy_beginning(begun, place);
  }
  // Not what another socket has left that was here before.
  return begun->remote_port == sk->__sk_common.skc_dport;
}

static __always_inline void forget(__u64 key) {
  if (__sync_val_compare_and_swap(&place_of(key)->key, key, 0) != key) bpf_map_delete_elem(&beginnings, &key);
}

static __always_inline void note_frontend(const struct sock* sk, struct beginning* begun) {
  // Of a socket without a cookie nobody has kept anything.
  __u64 cookie = sk->__sk_common.skc_cookie.counter;
  const struct weft_peer* peer = cookie ? bpf_map_lookup_elem(&tcp_peers, &cookie) : 0;
  if (!peer) return;
  __u8 local[16], remote[16];
  read_ends(sk, local, remote);
  if (!led_to(peer, remote, sk->__sk_common.skc_dport)) return;
  __builtin_memcpy(begun->frontend, peer->frontend_addr, 16);
  begun->frontend_port = peer->frontend_port;
}

static __always_inline int is_of_pod(const struct sock* sk) {
  __u64 netns = sk->__sk_common.skc_net.net->net_cookie;
  __u64* known = &pods_known[netns % 256];
  if (*known == netns) return 1;
  if (!bpf_map_lookup_elem(&local_pods, &netns)) return 0;
  *known = netns;
  return 1;
}

static __always_inline void on_connect(__u64 key, const struct sock* sk) {
  if (sk->sk_protocol != IPPROTO_TCP || !is_of_pod(sk)) return;
  struct beginning begun = {.time_ns = bpf_ktime_get_ns(), .remote_port = sk->__sk_common.skc_dport};
  note_frontend(sk, &begun);
  keep(key, &begun);
}

static __always_inline void on_accept(__u64 key, struct sock* sk, int asks) {
  if (!is_of_pod(sk)) return;
  const struct tcp_sock* tcp = as_tcp(sk, asks);
  if (!tcp) return;
  struct beginning begun = {
      .time_ns = tcp->tcp_clock_cache, .remote_port = sk->__sk_common.skc_dport, .accepted = 1};
  tell_tcp(tcp, sk, &begun, WEFT_SOCKET_ACCEPTED, begun.time_ns);
  keep(key, &begun);
}

// From now on it is the connection that lasts.
static __always_inline void begin_again(__u64 key, __u64 now) {
  struct beginning* at = place_of(key);
  if (owner_of(at) != key) at = bpf_map_lookup_elem(&beginnings, &key);
  // Who takes the place just now began just now, too: this time is as good for it.
  if (at) at->time_ns = now;
}

static __always_inline int on_state(struct sock* sk, int before, int after, int asks) {
  int begins = after == TCP_SYN_SENT, connected = after == TCP_ESTABLISHED, ends = after == TCP_CLOSE;
  if (!begins && !connected && !ends) return 0;
  // A listener that is closed, a half-open connection that comes to nothing.
  if (ends && (before == TCP_LISTEN || before == TCP_SYN_RECV || before == TCP_CLOSE)) return 0;
  // The socket's address, as a number: the verifier allows it as a difference only.
  __u64 key = (__u64)((void*)sk - (void*)places);
  if (begins) {
    on_connect(key, sk);
    return 0;
  }
  // What was asked for by another has just come to be: nobody knows it yet.
  if (before == TCP_SYN_RECV) {
    on_accept(key, sk, asks);
    return 0;
  }
  struct beginning begun;
  // Of one that had begun before this program did nothing is known.
  if (!find_begun(key, sk, &begun)) return 0;
  // What a pod's socket has left here is not a node's.
  if (!is_of_pod(sk)) return 0;
  const struct tcp_sock* tcp = as_tcp(sk, asks);
  if (!tcp) return 0;
  // It is a packet that connects, or ends what was waiting for the last; unless it is ended from outside.
  int by_packet = connected || (before == TCP_LAST_ACK && !sk->sk_err);
  __u64 now = by_packet ? tcp->tcp_clock_cache : bpf_ktime_get_ns();
  // A connection that is restored has had no packet.
  if (now < begun.time_ns) now = bpf_ktime_get_ns();
  if (connected) {
    tell_tcp(tcp, sk, &begun, WEFT_SOCKET_CONNECTED, now);
    begin_again(key, now);
  } else {
    tell_tcp(tcp, sk, &begun, before == TCP_SYN_SENT ? WEFT_SOCKET_FAILED : WEFT_SOCKET_CLOSED, now);
    forget(key);
  }
  return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(tcp_state, struct sock* sk, int before, int after) { return on_state(sk, before, after, 0); }

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(tcp_state_asks, struct sock* sk, int before, int after) {
  return on_state(sk, before, after, 1);
}

// An answer, as far as one can see: from a port that servers have to one that clients get.
static __always_inline int is_answer(__be16 local_port, __be16 remote_port) {
  return local_port && bpf_ntohs(local_port) < 32768 && bpf_ntohs(remote_port) >= 32768;
}

static __always_inline int tell_udp(struct bpf_sock_addr* ctx, int v6) {
  if (ctx->protocol != IPPROTO_UDP) return ALLOW;
  struct talk talk = {.netns = bpf_get_netns_cookie(ctx), .remote_port = (__be16)ctx->user_port};
  const struct weft_local_pod* pod = bpf_map_lookup_elem(&local_pods, &talk.netns);
  if (!pod) return ALLOW;
  __u32* words = (__u32*)talk.remote;
  if (v6) {
    words[0] = ctx->user_ip6[0];
    words[1] = ctx->user_ip6[1];
    words[2] = ctx->user_ip6[2];
    words[3] = ctx->user_ip6[3];
  } else {
    mapped(talk.remote, ctx->user_ip4);
  }
  if (ctx->sk) talk.local_port = bpf_htons((__u16)ctx->sk->src_port);
  if (is_answer(talk.local_port, talk.remote_port)) return ALLOW;
  __u64 now = bpf_ktime_get_ns();
  __u64* told = bpf_map_lookup_elem(&talks, &talk);
  if (told && now - *told < TELL_AGAIN) return ALLOW;
  bpf_map_update_elem(&talks, &talk, &now, BPF_ANY);
  __u64 number;
  struct weft_socket_event* event = reserve(&number);
  if (!event) return ALLOW;
  __builtin_memset(&event->time_ns, 0, sizeof(*event) - sizeof(event->number));
  event->time_ns = now;
  int mapped_v4 = !words[0] && !words[1] && words[2] == bpf_htonl(0xffff);
  __builtin_memcpy(event->local, mapped_v4 ? pod->v4 : pod->v6, 16);
  __builtin_memcpy(event->remote, talk.remote, 16);
  event->local_port = talk.local_port;
  event->remote_port = talk.remote_port;
  event->protocol = IPPROTO_UDP;
  event->kind = WEFT_SOCKET_SENT;
  __u64 cookie = bpf_get_socket_cookie(ctx);
  const struct weft_peer* peer = bpf_map_lookup_elem(&udp_peers, &cookie);
  const struct weft_recent* recent = bpf_map_lookup_elem(&udp_recent, &cookie);
  if (!led_to(peer, event->remote, event->remote_port)) peer = recent ? &recent->peer : 0;
  if (led_to(peer, event->remote, event->remote_port)) {
    __builtin_memcpy(event->frontend, peer->frontend_addr, 16);
    event->frontend_port = peer->frontend_port;
  }
  publish(&event->number, number);
  return ALLOW;
}

// After the socket load balancer's programs of the same names: the address is the backend's by then.
SEC("cgroup/connect4")
int udp_connect4(struct bpf_sock_addr* ctx) { return tell_udp(ctx, 0); }

SEC("cgroup/connect6")
int udp_connect6(struct bpf_sock_addr* ctx) { return tell_udp(ctx, 1); }

SEC("cgroup/sendmsg4")
int udp_sendmsg4(struct bpf_sock_addr* ctx) { return tell_udp(ctx, 0); }

SEC("cgroup/sendmsg6")
int udp_sendmsg6(struct bpf_sock_addr* ctx) { return tell_udp(ctx, 1); }

char _license[] SEC("license") = "GPL";
