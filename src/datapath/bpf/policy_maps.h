#pragma once

// The maps of pods' policies: policy_layout.h says what is in them.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "datapath/policy_layout.h"

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 1);
  __type(key, struct weft_prefix_key);
  __type(value, __u32);
} identities SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 8192);
  __type(key, __u32);
  __type(value, struct weft_policy_pod);
} policy_pods SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, WEFT_POLICY_LINKS);
  __type(key, __u32);
  __type(value, struct weft_policy_link);
} policy_links SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 1);
  __type(key, struct weft_verdict_key);
  __type(value, struct weft_verdict);
} verdicts SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 131072);
  __type(key, struct weft_policy_flow_key);
  __type(value, struct weft_policy_flow);
} policy_flows SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, WEFT_YOUNG_PLACES);
  __type(key, __u32);
  __type(value, struct weft_policy_young);
} policy_young SEC(".maps");

// When a denial was reported.
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 4096);
  __type(key, struct weft_policy_flow_key);
  __type(value, __u64);
} policy_told SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct weft_policy);
} policy_settings SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, WEFT_POLICY_COUNTERS);
  __type(key, __u32);
  __type(value, __u64);
} policy_counters SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 524288);
} policy_events SEC(".maps");
