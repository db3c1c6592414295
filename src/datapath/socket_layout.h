#pragma once

/// What the programs that look on at the sockets of a node report, shared between them (C) and their reader
/// (C++). Addresses are 16 bytes (IPv4 as v4-mapped IPv6) and ports in network order, as in service_layout.h.

#include <linux/bpf.h>
#include <linux/types.h>

enum weft_socket_kind {
  WEFT_SOCKET_CONNECTED,  ///< TCP, at the client: the other end has answered; `took_ns` since the first SYN
  WEFT_SOCKET_ACCEPTED,   ///< TCP, at the server
  WEFT_SOCKET_FAILED,     ///< TCP, at the client: `error`, `took_ns` as above
  WEFT_SOCKET_CLOSED,     ///< TCP, either end: `took_ns` since it was connected or accepted, and the bytes
  WEFT_SOCKET_SENT,  ///< UDP: a first datagram to that peer, or the next after half a minute; `local_port` 0:
                     ///< not chosen yet
};

struct weft_socket_event {
  __u64 number;   ///< among its processor's, counted from 1; written last
  __u64 time_ns;  ///< CLOCK_MONOTONIC
  __u64 took_ns;
  __u64 sent, received;  ///< bytes of payload that the other end has acknowledged, that this one has got
  __u8 local[16], remote[16];
  __u8 frontend[16];  ///< the Service's address that the socket asked for; port 0: none
  __be16 local_port, remote_port, frontend_port;
  __u8 protocol;
  __u8 kind;      ///< WEFT_SOCKET_…
  __u8 accepted;  ///< the socket is the server's
  __u8 error;     ///< errno
  __u16 reserved;
} __attribute__((aligned(64)));

#define WEFT_SOCKET_EVENTS 4096U

/// What one processor keeps: its last events, where programs and reader both see them; the one of number n at
/// (n - 1) modulo so many.
struct weft_socket_ring {
  __u64 told;  ///< how many there have been
  __u64 reserved[7];
  struct weft_socket_event events[WEFT_SOCKET_EVENTS];
};
