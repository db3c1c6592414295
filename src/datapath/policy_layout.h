#pragma once

/// Keys and values of the policy maps, shared between the BPF programs at pods' links (C) and the loader
/// (C++). Addresses are 16 bytes (IPv4 as v4-mapped IPv6) and ports in network order, as in service_layout.h.
/// Any change of a struct or of a meaning here needs a new WEFT_POLICY_LAYOUT.
///
/// An address has an identity: a number that stands for all that policies can tell of it (labels, namespace,
/// the CIDRs it lies in). A pod has a verdict for each direction, peer identity, protocol and port. The
/// programs at a pod's link decide on the first packet of a connection and keep what they decided.

#include <linux/bpf.h>
#include <linux/types.h>

#include "datapath/edge_layout.h"

#define WEFT_POLICY_LAYOUT 4

/// The map `identities`: weft_prefix_key (edge_layout.h) to an identity, by longest match.

/// Of addresses that no pod has and no policy names, and in weft_verdict_key: any peer without an entry of
/// its own.
#define WEFT_IDENTITY_ANY 0U

/// Policies isolate the pod in this direction: without a verdict that allows it a connection is denied.
#define WEFT_POLICY_ISOLATED_INGRESS 1U
#define WEFT_POLICY_ISOLATED_EGRESS 2U
/// Together with the isolation: what would be denied is reported, and passes.
#define WEFT_POLICY_AUDIT_INGRESS 4U
#define WEFT_POLICY_AUDIT_EGRESS 8U
/// Allowed connections are reported too.
#define WEFT_POLICY_REPORT_ALLOWED 16U

/// A pod of this node, by the index of the node's end of its link. A link without an entry passes nothing
/// but ARP and neighbour discovery: its pod is not known yet.
struct weft_policy_pod {
  __u32 subject;  ///< its verdicts are those with this number; several pods may share one
  __u32 flags;    ///< WEFT_POLICY_…
};

/// The array `policy_links`: at a link's index, modulo its size, the same of one such link. A look into an
/// array is much cheaper than one into a hash map, which is asked for a link that is not there.
#define WEFT_POLICY_LINKS 4096U
struct weft_policy_link {
  struct weft_policy_pod pod;
  __u32 link;  ///< 0: none
  __u32 reserved;
} __attribute__((aligned(8)));

#define WEFT_INGRESS 0
#define WEFT_EGRESS 1

/// Of longest-prefix matches: the fixed part is subject, direction and peer; a verdict may be for any
/// protocol, for all ports of one, for one port or for an aligned power of two of them.
struct weft_verdict_key {
  __u32 length;  ///< in bits, from `subject`: WEFT_VERDICT_FIXED_BITS, + 8 with protocol, + up to 16 of the
                 ///< port
  __u32 subject;
  __u32 peer;  ///< an identity; that of the peer first, then WEFT_IDENTITY_ANY
  __u8 direction;
  __u8 protocol;
  __be16 port;  ///< of the destination
};
#define WEFT_VERDICT_FIXED_BITS 72U

#define WEFT_VERDICT_DENY 0U
#define WEFT_VERDICT_ALLOW 1U
/// Denied even when the peer is the pod itself, by way of a Service, which WEFT_VERDICT_DENY lets pass.
#define WEFT_VERDICT_DENY_ITSELF 2U

struct weft_verdict {
  __u32 verdict;  ///< WEFT_VERDICT_…
  __u32 reason;   ///< the plan's number of what decided: which policies and rules
};

struct weft_policy {
  /// Rises with each change of what this header names. What was decided before is decided anew with the
  /// connection's next packet.
  __u32 revision;
};

/// A connection as a pod sees it: with the Service's address if that is what the pod sends to. The link's
/// index is of the key so that a pod on another's old address inherits nothing.
struct weft_policy_flow_key {
  __u8 peer[16];
  __u8 pod[16];
  __be16 peer_port;  ///< of an ICMP echo both ports are its identifier
  __be16 pod_port;
  __u8 protocol;
  __u8 reserved[3];
  __u32 link;
  __u32 reserved2;
} __attribute__((aligned(8)));

/// The node itself began it: it is never decided anew.
#define WEFT_POLICY_FLOW_NODE 1U
/// It was allowed, and is not any more: of TCP nothing but resets passes, others may begin anew.
#define WEFT_POLICY_FLOW_DENIED 2U

/// What is not TCP may be silent for so long, and is the same connection.
#define WEFT_POLICY_PATIENCE_NS 180000000000ULL

struct weft_policy_flow {
  __u64 seen_ns;   ///< CLOCK_MONOTONIC, coarse: the last packet, give or take 250 ms; of TCP the decision
  __u32 revision;  ///< at which it was decided
  __u8 direction;  ///< WEFT_INGRESS: the peer began it
  __u8 flags;      ///< WEFT_POLICY_FLOW_…
  __u8 closed[2];  ///< of TCP: the peer, the pod has sent its FIN; with both there is no entry any more
};

/// The array `policy_young`: a TCP connection has one place in it, and is there alone while no other needs
/// the place, so that one which soon ends never takes an entry of `policy_flows`. A place also has what was
/// found in that map, as an array is quicker to look into. Processors read it while others write: `check`
/// tells what is whole.
#define WEFT_YOUNG_BITS 14U
#define WEFT_YOUNG_PLACES (1U << WEFT_YOUNG_BITS)

/// It is nowhere else. Without: the place is free, or has what `policy_flows` or the verdicts know.
#define WEFT_YOUNG_KEPT 1U
/// It is being written.
#define WEFT_YOUNG_BUSY 2U
/// The pod began it.
#define WEFT_YOUNG_EGRESS 4U
/// The node's edge does not translate it.
#define WEFT_YOUNG_PLAIN 8U
/// The peer has sent its FIN; twice that: the pod.
#define WEFT_YOUNG_CLOSED 16U
#define WEFT_YOUNG_CHECKED (WEFT_YOUNG_EGRESS | WEFT_YOUNG_PLAIN)

struct weft_policy_young {
  struct weft_policy_flow_key key;
  __u64 check;     ///< weft_young_check() of the rest
  __u32 revision;  ///< at which it was decided
  __u32 state;     ///< WEFT_YOUNG_…
} __attribute__((aligned(64)));

/// Of a connection's key, in words: its highest bits are its place.
static inline __u64 weft_young_hash(const __u64* key) {
  return key[0] * 0x9e3779b97f4a7c15U + key[1] * 0xbf58476d1ce4e5b9U + key[2] * 0x94d049bb133111ebU +
         key[3] * 0xd6e8feb86659fd93U + key[4] * 0xc2b2ae3d27d4eb4fU + key[5] * 0xff51afd7ed558ccdU;
}
/// Two connections of which each has a part in a place do not have it by chance.
static inline __u64 weft_young_check(__u64 hash, __u32 revision, __u32 state) {
  return hash + (revision | (__u64)(state & WEFT_YOUNG_CHECKED) << 32) * 0xc4ceb9fe1a85ec53U;
}

/// A decision on a connection, in the ring buffer: on its first packet, or when it is cut. What is denied
/// again and again is reported once in 5 seconds.
struct weft_policy_event {
  __u64 time_ns;  ///< CLOCK_MONOTONIC
  __u8 peer[16];  ///< whom the decision is about: a Service's backend, the client behind a node's address
  __u8 pod[16];
  __be16 peer_port;
  __be16 pod_port;
  __u8 protocol;
  __u8 direction;
  __u8 verdict;  ///< WEFT_VERDICT_…: what became of the packet
  __u8 audit;    ///< 1: it would have been denied
  __u32 link;
  __u32 subject;
  __u32 peer_identity;
  __u32 reason;  ///< 0: nothing decided for it: denied by isolation, or the pod is not known
};

enum weft_policy_counter {
  WEFT_POLICY_ALLOWED_INGRESS,  ///< new connections; of pods that nothing isolates, TCP is not counted
  WEFT_POLICY_ALLOWED_EGRESS,
  WEFT_POLICY_DENIED_INGRESS,  ///< packets
  WEFT_POLICY_DENIED_EGRESS,
  WEFT_POLICY_AUDITED_INGRESS,
  WEFT_POLICY_AUDITED_EGRESS,
  WEFT_POLICY_UNKNOWN_POD,  ///< packets dropped: the link has no entry
  WEFT_POLICY_EVENTS_LOST,  ///< the ring buffer had no room
  WEFT_POLICY_COUNTERS,
};
