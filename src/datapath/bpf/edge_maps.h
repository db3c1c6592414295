#pragma once

// The maps of the node's and the pods' edges, shared by their programs at tc and XDP.
#include "datapath/bpf/packet.h"

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 1);
  __type(key, struct weft_tuple);
  __type(value, struct weft_nat);
} nat SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, WEFT_FLOW_FILTER_SIZE);
  __type(key, __u32);
  __type(value, __u32);
} nat_filter SEC(".maps");

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

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, WEFT_EDGE_COUNTERS);
  __type(key, __u32);
  __type(value, __u64);
} counters SEC(".maps");

// What does not fit on a program's stack. Programs of a processor never run inside each other.
struct scratch {
  struct packet inner;
  struct weft_tuple to, outer;
  struct bpf_fib_lookup route;
  __u64 flow[sizeof(struct weft_nat) / 8];  // untyped: a timer cannot be here
};
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct scratch);
} scratches SEC(".maps");

static __always_inline struct scratch* get_scratch(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&scratches, &zero);
}

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
