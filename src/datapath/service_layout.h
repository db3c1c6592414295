#pragma once

/// Keys and values of the Service maps, shared between the BPF programs (C) and the engine (C++).
/// Addresses are always 16 bytes in network order, IPv4 as v4-mapped (RFC 4291, 2.5.5.2); ports are in
/// network order, everything else in the machine's. No struct has implicit padding: keys are compared byte by
/// byte. Any change of a struct or of a meaning here needs a new WEFT_SERVICE_LAYOUT.

#include <linux/types.h>

/// Part of the path under which maps are pinned, so that maps of another layout are never opened.
#define WEFT_SERVICE_LAYOUT 6

/// Where clients connect to. Port 0 with protocol 0 stands for the whole address: it refuses every port that
/// has no frontend of its own.
struct weft_frontend_key {
  __u8 addr[16];
  __be16 port;
  __u8 protocol;  ///< IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP
  __u8 reserved;
} __attribute__((aligned(4)));

/// The frontend has endpoints elsewhere but may use none of them: packets are to be dropped, not refused.
#define WEFT_FRONTEND_DROP 1U
/// The entry of a whole address.
#define WEFT_FRONTEND_ADDRESS 2U

/// The backends for clients on the node, and those for packets that reach the node from elsewhere: traffic
/// policies make them differ.
/// Only clients that `sources` has may come from elsewhere (edge_flags).
#define WEFT_FRONTEND_SOURCES 4U

struct weft_frontend {
  __u32 set;    ///< whose slots hold its backends
  __u32 count;  ///< slots 0 … count-1 are filled
  __u32 flags;
  __u32 affinity_seconds;  ///< of ClientIP session affinity; 0: none
  __u32 edge_set;
  __u32 edge_count;
  __u32 edge_flags;   ///< WEFT_FRONTEND_DROP, WEFT_FRONTEND_SOURCES
  __u32 maglev_size;  ///< of edge_set's table; 0: it has none, any slot will do
};

/// A bit for each hash of a frontend's key, in 64-bit words of an array: where it is 0, the frontend need not
/// be looked for.
#define WEFT_FILTER_WORDS 32768U
static inline __u32 weft_frontend_hash(const struct weft_frontend_key* key) {
  const __u32* words = (const __u32*)key;
  __u32 hash = words[0] * 0x9e3779b1U ^ words[1] * 0x85ebca6bU ^ words[2] * 0xc2b2ae35U ^
               words[3] * 0x27d4eb2fU ^ words[4] * 0x165667b1U;
  return (hash ^ hash >> 15) * 0x85ebca6bU >> 11;  // 21 bits
}

/// Whom a client had last (session affinity). The key is the same whichever address of the Service port was
/// used, as long as they share a set.
struct weft_affinity_key {
  __u8 client[16];  ///< address; of a socket the cookie of its network namespace, then zeros
  __u32 set;
  __u32 reserved;
};

struct weft_affinity {
  __u64 backend;
  __u64 used_ns;  ///< CLOCK_MONOTONIC, coarse
};

/// A range of clients that may use a frontend; `length` is that of a longest-prefix match over all that
/// follows.
struct weft_source_key {
  __u32 length;
  struct weft_frontend_key frontend;
  __u8 client[16];
};
#define WEFT_SOURCE_LENGTH (8U * sizeof(struct weft_frontend_key))

struct weft_slot_key {
  __u32 set;
  __u32 slot;
};
/// The value of a slot is the backend's number, a __u64 that is never given to another backend.

#define WEFT_MAGLEV_CHUNK 128U

/// A set's table from hashes to slots (see service/maglev.h), in pieces.
struct weft_maglev_key {
  __u32 set;
  __u32 chunk;
};
struct weft_maglev {
  __u16 slot[WEFT_MAGLEV_CHUNK];
};

/// The backend is on its way out and in use only because no other is left.
#define WEFT_BACKEND_TERMINATING 1U
/// The backend runs on this node.
#define WEFT_BACKEND_LOCAL 2U

struct weft_backend {
  __u8 addr[16];
  __be16 port;
  __u16 flags;
  __u32 set;  ///< the one set it belongs to
};

/// The node, as the programs for sockets know it; entry 0 of an array.
struct weft_node {
  __u64 netns_cookie;  ///< of its own network namespace, where the node ports are; 0: not known
  __u8 node4[16];      ///< addresses that have the node ports, v4-mapped; zeros: none of the family
  __u8 node6[16];
};

/// A pod of the node, by the cookie of its network namespace.
struct weft_local_pod {
  __u8 v4[16], v6[16];  ///< its addresses; zeros: it has none of the family
};

/// Numbers that have not been given out yet; entry 0 of an array.
struct weft_ids {
  __u64 next_backend;
  __u32 next_set;
  __u32 reserved;
};

/// What a socket asked for and what it got. The key is the socket's cookie.
struct weft_peer {
  __u8 frontend_addr[16];
  __u8 backend_addr[16];
  __be16 frontend_port;
  __be16 backend_port;
  __u32 reserved;
  __u64 netns_cookie;  ///< of the network namespace that the socket is in
};

/// In place of a backend's number: the socket's datagrams are left to the pod's edge, as the pod would be its
/// own backend. In weft_peer the backend is the frontend then.
#define WEFT_BACKEND_AT_EDGE (~0ULL)

/// The Service that an unconnected UDP socket asked last.
struct weft_recent {
  struct weft_peer peer;
  __u64 backend;
};

/// An unconnected UDP socket and one peer: for `flows` a backend, for `choices` a frontend.
struct weft_flow_key {
  __u64 cookie;  ///< of the socket
  __u8 addr[16];
  __be16 port;
  __u16 reserved[3];
};

/// The Service address that datagrams from a backend are to show.
struct weft_flow {
  __u8 addr[16];
  __be16 port;
  __u16 reserved[3];
};
