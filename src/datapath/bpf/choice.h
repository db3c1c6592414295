#pragma once

// Which backend a packet's new connection gets.
#include "datapath/bpf/connection.h"

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

// For a client elsewhere (`from_outside`), which is to find the same one by whichever node, or on this node.
static __noinline struct weft_backend* choose(const struct packet* p, const struct weft_frontend* frontend,
                                              int from_outside, __u64* id) {
  __u32 set = from_outside ? frontend->edge_set : frontend->set;
  __u32 size = from_outside ? frontend->edge_count : frontend->count;
  struct weft_affinity_key client = {.set = set};
  if (frontend->affinity_seconds) {
    copy16(client.client, p->tuple.src);
    struct weft_backend* same = had_last(&client, frontend->affinity_seconds, id);
    if (same) return same;
  }
  __u32 hash = client_hash(p, !frontend->affinity_seconds);
  struct weft_backend* backend = from_outside ? by_hash(set, frontend->maglev_size, hash, id) : 0;
  for (int attempt = 0; attempt < 4 && !backend; attempt++) backend = any_of(set, size, id);
  if (backend && frontend->affinity_seconds) keep_affinity(&client, *id);
  return backend;
}

static __noinline int may_come(const struct packet* p, const struct weft_frontend_key* key) {
  struct weft_source_key source = {.length = WEFT_SOURCE_LENGTH + 128, .frontend = *key};
  copy16(source.client, p->tuple.src);
  return bpf_map_lookup_elem(&sources, &source) != 0;
}

static __always_inline int has_ports(const struct packet* p) {
  return p->tuple.protocol != IPPROTO_ICMP && p->tuple.protocol != IPPROTO_ICMPV6;
}

// The frontend that a packet is for, and its key.
static __always_inline struct weft_frontend* frontend_here(const struct packet* p,
                                                           struct weft_frontend_key* key) {
  if (!has_ports(p)) return 0;
  copy16(key->addr, p->tuple.dst);
  key->port = p->tuple.dport;
  key->protocol = p->tuple.protocol;
  return find_frontend(key);
}

// At the node's edge. With direct return also node ports of other nodes: they
// send on what is for a pod of this one.
static __always_inline struct weft_frontend* frontend_of(const struct packet* p,
                                                         struct weft_frontend_key* key) {
  struct weft_frontend* frontend = frontend_here(p, key);
  if (frontend) return frontend;
  const struct weft_edge* node = settings();
  if (!node || !node->direct_return || !has_ports(p) || !(place_of(p->tuple.dst) & WEFT_PREFIX_NODE))
    return 0;
  copy16(key->addr, p->v6 ? node->node6 : node->node4);
  return bpf_map_lookup_elem(&frontends, key);
}
