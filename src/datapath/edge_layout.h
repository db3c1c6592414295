#pragma once

/// Keys and values of the node edge's maps, shared between its BPF programs (C) and the loader (C++).
/// Addresses and ports as in service_layout.h. Any change of a struct or of a meaning here needs a new
/// WEFT_EDGE_LAYOUT.

#include <linux/bpf.h>
#include <linux/types.h>

#define WEFT_EDGE_LAYOUT 6

/// A packet's addresses and ports. Of an ICMP echo both ports are its identifier.
struct weft_tuple {
  __u8 src[16];
  __u8 dst[16];
  __be16 sport;
  __be16 dport;
  __u8 protocol;
  __u8 reserved[3];
} __attribute__((aligned(8)));

/// The other direction of the connection has answered.
#define WEFT_FLOW_REPLIED 1U
/// This direction has sent its FIN.
#define WEFT_FLOW_FIN 2U
/// This direction has sent a RST.
#define WEFT_FLOW_RST 4U
/// The entry of the packets that began the connection; the other one is that of the answers.
#define WEFT_FLOW_ORIGINAL 8U
/// Translated packets leave by the device that routing names without passing through the node's stack, which
/// would take them for spoofed: they have an address of the node as their source.
#define WEFT_FLOW_REDIRECT 16U
/// The connection goes to a Service; `backend` is its backend.
#define WEFT_FLOW_SERVICE 32U
/// Direct return: packets go on unchanged to the node of the backend `dst`, which answers the client itself.
/// There is no entry for answers.
#define WEFT_FLOW_DIRECT 64U
/// The edge of the pod, not of the node, translates what the pod sends.
#define WEFT_FLOW_POD 128U
/// The original direction ends in a pod of this node: it is handed to the pod's end of its link at once.
#define WEFT_FLOW_TO_POD 256U
/// That pod is isolated, or not known: its packets have to pass the program at its link.
#define WEFT_FLOW_GUARDED 512U

/// The node's end of every pod's link has this address (each byte of it); other devices are not handed to
/// pods directly.
#define WEFT_POD_LINK_MAC 0xee

/// What becomes of packets with a certain tuple. A connection has two entries; the original one's timer
/// removes both.
struct weft_nat {
  __u8 src[16];
  __u8 dst[16];
  __be16 sport;
  __be16 dport;
  __u32 flags;
  __u64 backend;
  __u64 seen_ns;       ///< CLOCK_MONOTONIC, coarse: the last packet, give or take 250 ms
  __u64 seen_jiffies;  ///< when that was written: cheaper to look at for each packet
  __u32 out_link;      ///< how its packets leave, if not by the stack; asked for as often; 0: not known
  __u8 next_mac[6];
  __u8 own_mac[6];
#ifdef __bpf__
  struct bpf_timer timer;
#else
  __u64 timer[2];
#endif
};

/// Counts of the above by a hash of their tuple, an index of an array: where there is none, none has to be
/// looked for.
#define WEFT_FLOW_FILTER_SIZE 65536U
static inline __u32 weft_tuple_hash(const struct weft_tuple* tuple) {
  const __u32* words = (const __u32*)tuple;
  // The lower halves of both addresses, and the ports.
  __u32 hash = words[2] * 0x9e3779b1U ^ words[3] * 0x85ebca6bU ^ words[6] * 0xc2b2ae35U ^
               words[7] * 0x27d4eb2fU ^ words[8] * 0x165667b1U;
  return hash * 0x9e3779b1U >> 16;
}

/// A later fragment has no ports: those of the first one, by what all of them have in common.
struct weft_fragment_key {
  __u8 src[16];
  __u8 dst[16];
  __u32 id;
  __u8 protocol;
  __u8 reserved[3];
};
struct weft_fragment {
  __be16 sport;
  __be16 dport;
};

/// Of longest-prefix matches; `length` counts from the first of 16 bytes.
struct weft_prefix_key {
  __u32 length;
  __u8 addr[16];
};
/// The pods of this node have these addresses.
#define WEFT_PREFIX_OWN_PODS 1U
/// Inside the cluster: pods keep their addresses towards it.
#define WEFT_PREFIX_CLUSTER 2U
/// Pods of other nodes that are reached through a tunnel.
#define WEFT_PREFIX_TUNNEL 4U
/// The address of another node.
#define WEFT_PREFIX_NODE 8U

/// An address is in it if it equals `base` in all bits of `mask`.
struct weft_range {
  __u64 base[2];
  __u64 mask[2];
};
/// An address that is in none costs a look at the prefixes.
#define WEFT_INSIDE_RANGES 4

struct weft_edge {
  __u8 node4[16];  ///< source of packets that the node sends in the name of others, v4-mapped; zeros: it has
                   ///< none
  __u8 node6[16];
  __u8 tunnel4[16];  ///< the same, towards WEFT_PREFIX_TUNNEL: the answers come back through the tunnel; and
                     ///< towards WEFT_PREFIX_OWN_PODS if the above is zeros
  __u8 tunnel6[16];
  /// Some of what the prefixes call the cluster's inside, pods first. What is not used has a mask of ones:
  /// the unspecified address is no packet's.
  struct weft_range inside4[WEFT_INSIDE_RANGES];
  struct weft_range inside6[WEFT_INSIDE_RANGES];
  __u16 port_min;  ///< host order: of those packets
  __u16 port_max;
  __u32 masquerade;     ///< pods' packets to the outside get the node's address
  __u32 direct_return;  ///< packets for other nodes' backends keep the client's address, answers go past here
};

enum weft_edge_counter {
  WEFT_EDGE_TRANSLATED,     ///< new connections
  WEFT_EDGE_NO_BACKEND,     ///< refused or dropped: nothing to send to
  WEFT_EDGE_SOURCE_DENIED,  ///< dropped: the client is outside loadBalancerSourceRanges
  WEFT_EDGE_TABLE_FULL,     ///< dropped: no room for a new connection
  WEFT_EDGE_NO_PORT,        ///< dropped: all source ports towards a backend are in use
  WEFT_EDGE_NO_ROUTE,       ///< dropped
  WEFT_EDGE_NO_ADDRESS,     ///< dropped: the node has no address of the family to send from
  WEFT_EDGE_COUNTERS,
};
