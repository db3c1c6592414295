#pragma once

// TCP connections as they are in `policy_young`: most packets of isolated pods are decided here. Whoever
// writes a place claims it first, and does without when another has it; nobody waits. Who reads one needs no
// order of loads, as the check is wrong of what is not whole.
#include "datapath/bpf/packet.h"
#include "datapath/bpf/policy_maps.h"

static __always_inline __u64* words_of(const struct weft_policy_flow_key* key) { return (__u64*)key; }

static __always_inline struct weft_policy_young* place_of_hash(__u64 hash) {
  __u32 place = hash >> (64 - WEFT_YOUNG_BITS);
  return bpf_map_lookup_elem(&policy_young, &place);
}

static __always_inline __u32 state_of(const struct weft_policy_young* place) {
  return *(const volatile __u32*)&place->state;
}

static __always_inline int has_words(const struct weft_policy_young* place, const __u64* words) {
  const __u64* own = words_of(&place->key);
  return !((own[0] ^ words[0]) | (own[1] ^ words[1]) | (own[2] ^ words[2]) | (own[3] ^ words[3]) |
           (own[4] ^ words[4]) | (own[5] ^ words[5]));
}

// The processor's present policies; 0: there are none.
static __always_inline const struct weft_policy* policy_now(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&policy_settings, &zero);
}

// Whether a packet's connection is known at the present revision. `side`: who sends it. A FIN of one that is
// nowhere else is noted: once both ends have sent theirs the place is free, and what is still to come (the
// last ACK, what is sent again) passes as long as nothing else needs it. A reset does not free it: whether
// the other end takes it for one is not known here. `plain`: only if it is not translated.
static __always_inline int is_going(const __u64* words, __u32 side, __u8 tcp_flags, int plain) {
  __u64 hash = weft_young_hash(words);
  struct weft_policy_young* place = place_of_hash(hash);
  const struct weft_policy* now = policy_now();
  if (!place || !now) return 0;
  __u32 state = state_of(place);
  if (place->check != weft_young_check(hash, now->revision, state) || !has_words(place, words)) return 0;
  if (plain && !(state & WEFT_YOUNG_PLAIN)) return 0;
  if (!(tcp_flags & TCP_FIN)) return 1;
  if (!(state & WEFT_YOUNG_KEPT)) return 0;
  // A place that was taken meanwhile is another's: that one at worst is forgotten early.
  __u32 was = __sync_fetch_and_or(&place->state, WEFT_YOUNG_CLOSED << side);
  if (was & WEFT_YOUNG_CLOSED << !side) __sync_fetch_and_and(&place->state, ~WEFT_YOUNG_KEPT);
  return 1;
}

// Neither the first segment of its connection nor a reset.
static __always_inline int goes_on_only(__u8 tcp_flags) {
  return !(tcp_flags & TCP_RST) && (tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN;
}

// The key of a TCP segment as it stands in the packet, if it is as nearly all are: at once in reach, without
// options or extension headers of IP, no fragment. Its flags; 0: it is not, or has none that is of use.
static __always_inline __u8 plain_segment(context* ctx, __u64* words, int to_peer) {
  __u32 ports;
  const __u8* tcp;
  __u64 *src = words + (to_peer ? 2 : 0), *dst = words + (to_peer ? 0 : 2);
  if (ethernet_type(ctx) == bpf_htons(ETH_P_IP)) {
    const struct iphdr* ip = bytes_at(ctx, ETH_HLEN, sizeof(*ip) + 20);
    if (!ip || *(const __u8*)ip != 0x45 || ip->protocol != IPPROTO_TCP) return 0;
    if (ip->frag_off & bpf_htons(IP_MORE_FRAGMENTS | IP_FRAGMENT_OFFSET)) return 0;
    src[0] = dst[0] = 0;
    src[1] = bpf_htonl(0xffff) | (__u64)ip->saddr << 32;
    dst[1] = bpf_htonl(0xffff) | (__u64)ip->daddr << 32;
    tcp = (const __u8*)(ip + 1);
  } else if (ethernet_type(ctx) == bpf_htons(ETH_P_IPV6)) {
    const struct ipv6hdr* ip = bytes_at(ctx, ETH_HLEN, sizeof(*ip) + 20);
    if (!ip || ip->version != 6 || ip->nexthdr != IPPROTO_TCP) return 0;
    for (int i = 0; i < 2; i++) {
      src[i] = ip->saddr.s6_addr32[2 * i] | (__u64)ip->saddr.s6_addr32[2 * i + 1] << 32;
      dst[i] = ip->daddr.s6_addr32[2 * i] | (__u64)ip->daddr.s6_addr32[2 * i + 1] << 32;
    }
    tcp = (const __u8*)(ip + 1);
  } else {
    return 0;
  }
  ports = *(const __u32*)tcp;
  if (to_peer) ports = ports << 16 | ports >> 16;
  words[4] = ports | (__u64)IPPROTO_TCP << 32;
  words[5] = ctx->ifindex;
  return goes_on_only(tcp[13]) ? tcp[13] : 0;
}

// Whether it is a segment of a connection that is known, and nothing but to be let through.
static __noinline int passes_at_once(context* ctx, int to_peer) {
  __u64 words[6];
  __u8 flags = plain_segment(ctx, words, to_peer);
  // Of what the pod sends, the edge translates some.
  return flags && is_going(words, (__u32)to_peer, flags, to_peer);
}

// Nobody else writes the place until its state is written again. 0: somebody does already.
static __always_inline int claim(struct weft_policy_young* place, __u32 state) {
  return !(state & WEFT_YOUNG_BUSY) &&
         __sync_val_compare_and_swap(&place->state, state, state | WEFT_YOUNG_BUSY) == state;
}

// Of a claimed place that is the only one of its connection.
static __noinline void move_to_table(const struct weft_policy_young* place, __u32 state) {
  struct weft_policy_flow flow = {
      .seen_ns = bpf_ktime_get_coarse_ns(),
      .revision = place->revision,
      .direction = state & WEFT_YOUNG_EGRESS ? WEFT_EGRESS : WEFT_INGRESS,
      .closed = {!!(state & WEFT_YOUNG_CLOSED), !!(state & WEFT_YOUNG_CLOSED << 1)}};
  bpf_map_update_elem(&policy_flows, &place->key, &flow, BPF_ANY);
}

// The connection takes its place; what was only there is in the table from then on. 0: the place is being
// written.
static __noinline int take_place(const struct weft_policy_flow_key* key, __u32 revision, __u32 state) {
  const __u64* words = words_of(key);
  __u64 hash = weft_young_hash(words);
  struct weft_policy_young* place = place_of_hash(hash);
  if (!place) return 0;
  __u32 was = state_of(place);
  if (!claim(place, was)) return 0;
  if (was & WEFT_YOUNG_KEPT && !has_words(place, words)) move_to_table(place, was);
  place->key = *key;
  place->revision = revision;
  place->check = weft_young_check(hash, revision, state);
  *(volatile __u32*)&place->state = state;
  return 1;
}

// The place of a connection that is nowhere else, of whatever revision.
static __always_inline struct weft_policy_young* find_young(const struct weft_policy_flow_key* key) {
  const __u64* words = words_of(key);
  __u64 hash = weft_young_hash(words);
  struct weft_policy_young* place = place_of_hash(hash);
  if (!place) return 0;
  __u32 state = state_of(place);
  int is_it = state & WEFT_YOUNG_KEPT && has_words(place, words) &&
              place->check == weft_young_check(hash, place->revision, state);
  return is_it ? place : 0;
}

static __always_inline void clear_place(struct weft_policy_young* place) {
  place->check = 0;
  place->key.link = 0;
  *(volatile __u32*)&place->state = 0;
}

// From now on it is in the table alone.
static __noinline void grow_up(struct weft_policy_young* place) {
  __u32 state = state_of(place);
  if (!(state & WEFT_YOUNG_KEPT) || !claim(place, state)) return;
  move_to_table(place, state);
  clear_place(place);
}

// There is none of that key from now on.
static __noinline void drop_young(const struct weft_policy_flow_key* key) {
  struct weft_policy_young* place = find_young(key);
  if (!place) return;
  __u32 state = state_of(place);
  if (claim(place, state)) clear_place(place);
}
