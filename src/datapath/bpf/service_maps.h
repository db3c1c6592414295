#pragma once

// The maps that say what Services there are, and the choice of a backend: shared by the programs for sockets
// and for packets.
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "datapath/service_layout.h"

// Sizes of the first four come from the loader.
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 1);
  __type(key, struct weft_frontend_key);
  __type(value, struct weft_frontend);
} frontends SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 1);
  __type(key, struct weft_slot_key);
  __type(value, __u64);
} slots SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 1);
  __type(key, __u64);
  __type(value, struct weft_backend);
} backends SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 1);
  __type(key, struct weft_maglev_key);
  __type(value, struct weft_maglev);
} maglev SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 131072);
  __type(key, struct weft_source_key);
  __type(value, __u32);
} sources SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, WEFT_FILTER_WORDS);
  __type(key, __u32);
  __type(value, __u64);
} filter SEC(".maps");

// Only the engine reads and writes it; it is here so that it is pinned with the others.
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct weft_ids);
} ids SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 131072);
  __type(key, struct weft_affinity_key);
  __type(value, struct weft_affinity);
} affinity SEC(".maps");

static __always_inline void copy_addr(__u8* to, const __u8* from) {
  __builtin_memcpy(__builtin_assume_aligned(to, 4), __builtin_assume_aligned(from, 4), 16);
}

static __always_inline int same_addr(const __u8* a, const __u8* b) {
  const __u32 *x = (const __u32*)a, *y = (const __u32*)b;
  return x[0] == y[0] && x[1] == y[1] && x[2] == y[2] && x[3] == y[3];
}

// Whether there can be such a frontend: a look into an array is much cheaper than one into a hash map.
static __always_inline int may_be_frontend(const struct weft_frontend_key* key) {
  __u32 hash = weft_frontend_hash(key), word = hash >> 6;
  __u64* bits = bpf_map_lookup_elem(&filter, &word);
  return bits && *bits >> (hash & 63) & 1;
}

static __always_inline struct weft_frontend* find_frontend(struct weft_frontend_key* key) {
  if (may_be_frontend(key)) {
    struct weft_frontend* frontend = bpf_map_lookup_elem(&frontends, key);
    if (frontend) return frontend;
  }
  struct weft_frontend_key address = {};
  copy_addr(address.addr, key->addr);
  return may_be_frontend(&address) ? bpf_map_lookup_elem(&frontends, &address) : 0;
}

static __always_inline struct weft_backend* at_slot(__u32 set, __u32 number, __u64* id) {
  struct weft_slot_key slot = {.set = set, .slot = number};
  __u64* found = bpf_map_lookup_elem(&slots, &slot);
  if (!found) return 0;
  *id = *found;
  return bpf_map_lookup_elem(&backends, id);
}

// A backend at random. 0 if a slot that is to be filled is not.
static __always_inline struct weft_backend* any_of(__u32 set, __u32 count, __u64* id) {
  return count ? at_slot(set, bpf_get_prandom_u32() % count, id) : 0;
}

// The backend that all nodes choose for a client with that hash. While the table is being rewritten it may
// name a slot that has another backend by now: that one will do.
static __always_inline struct weft_backend* by_hash(__u32 set, __u32 size, __u32 hash, __u64* id) {
  if (!size) return 0;
  __u32 place = hash % size;
  struct weft_maglev_key key = {.set = set, .chunk = place / WEFT_MAGLEV_CHUNK};
  struct weft_maglev* chunk = bpf_map_lookup_elem(&maglev, &key);
  return chunk ? at_slot(set, chunk->slot[place % WEFT_MAGLEV_CHUNK], id) : 0;
}

// The backend that the client had last, if that is not too long ago and it is still one of the set that takes
// new connections.
static __always_inline struct weft_backend* had_last(struct weft_affinity_key* client, __u32 seconds,
                                                     __u64* id) {
  struct weft_affinity* last = bpf_map_lookup_elem(&affinity, client);
  if (!last) return 0;
  __u64 now = bpf_ktime_get_coarse_ns();
  if (now - last->used_ns > seconds * 1000000000ULL) return 0;
  __u64 same = last->backend;
  struct weft_backend* backend = bpf_map_lookup_elem(&backends, &same);
  if (!backend || backend->set != client->set) return 0;
  last->used_ns = now;
  *id = same;
  return backend;
}

static __always_inline void keep_affinity(struct weft_affinity_key* client, __u64 id) {
  struct weft_affinity now = {.backend = id, .used_ns = bpf_ktime_get_coarse_ns()};
  bpf_map_update_elem(&affinity, client, &now, BPF_ANY);
}
