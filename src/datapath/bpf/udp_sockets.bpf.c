// Lists the UDP sockets that are connected through a Service, in every network namespace at once: an iterator
// over the storage that connect left with them. Needs the kernel's type information (BTF).
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "datapath/service_layout.h"

#define AF_INET6 10

// The few members of kernel structures that are read here; their offsets are found when the program is
// loaded.
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct in6_addr {
  __u8 s6_addr[16];
};
struct ns_common {
  unsigned int inum;
};
struct net {
  struct ns_common ns;
};
typedef struct {
  struct net* net;
} possible_net_t;
struct sock_common {
  __be32 skc_daddr;
  __be32 skc_rcv_saddr;
  __be16 skc_dport;
  __u16 skc_num;
  unsigned short skc_family;
  int skc_bound_dev_if;
  possible_net_t skc_net;
  struct in6_addr skc_v6_daddr;
  struct in6_addr skc_v6_rcv_saddr;
};
struct sock {
  struct sock_common __sk_common;
};
struct seq_file;
struct bpf_iter_meta {
  struct seq_file* seq;
};
struct bpf_map;
struct bpf_iter__bpf_sk_storage_map {
  struct bpf_iter_meta* meta;
  struct bpf_map* map;
  struct sock* sk;
  void* value;
};
#pragma clang attribute pop

SEC("iter/bpf_sk_storage_map")
int list_udp_sockets(struct bpf_iter__bpf_sk_storage_map* ctx) {
  struct sock* sk = ctx->sk;
  struct weft_peer* peer = ctx->value;
  if (!sk || !peer) return 0;
  struct weft_udp_socket out = {.peer = *peer};
  out.cookie = bpf_get_socket_cookie(sk);
  out.family = BPF_CORE_READ(sk, __sk_common.skc_family);
  out.remote_port = BPF_CORE_READ(sk, __sk_common.skc_dport);
  if (!out.remote_port) return 0;  // not connected any more
  out.local_port = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_num));
  out.bound_device = BPF_CORE_READ(sk, __sk_common.skc_bound_dev_if);
  out.netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
  if (out.family == AF_INET6) {
    BPF_CORE_READ_INTO(&out.local_addr, sk, __sk_common.skc_v6_rcv_saddr);
    BPF_CORE_READ_INTO(&out.remote_addr, sk, __sk_common.skc_v6_daddr);
  } else {
    *(__be32*)out.local_addr = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
    *(__be32*)out.remote_addr = BPF_CORE_READ(sk, __sk_common.skc_daddr);
  }
  bpf_seq_write(ctx->meta->seq, &out, sizeof(out));
  return 0;
}

char _license[] SEC("license") = "GPL";
