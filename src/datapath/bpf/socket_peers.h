#pragma once

#include <linux/types.h>

#include <bpf/bpf_helpers.h>

#include "datapath/service_layout.h"

// What sockets asked for and got, by socket cookie. An entry goes when its socket does (sock_release), so the
// oldest are evicted only when more sockets than that are open. (Storage in the socket itself would do the
// same at ten times the price: allocating and freeing it is a twentieth of a short TCP connection.)
#define PEERS(NAME, SIZE, VALUE)         \
  struct {                               \
    __uint(type, BPF_MAP_TYPE_LRU_HASH); \
    __uint(max_entries, SIZE);           \
    __type(key, __u64);                  \
    __type(value, VALUE);                \
  } NAME SEC(".maps")

PEERS(tcp_peers, 131072, struct weft_peer);
PEERS(udp_peers, 65536, struct weft_peer);
// Unconnected UDP sockets: the Service that one asked last, which is all that most ever need.
PEERS(udp_recent, 65536, struct weft_recent);

// The pods of the node. Cookies are never used again, so that what pods leave behind only takes room.
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 8192);
  __type(key, __u64);
  __type(value, struct weft_local_pod);
} local_pods SEC(".maps");
