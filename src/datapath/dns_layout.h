#pragma once

/// What the program at a pod's link has to know to answer questions of the pod (RFC 1035) instead of the
/// node's DNS server, shared between BPF (C) and the agent (C++). Addresses are v4-mapped and ports in
/// network order, as in service_layout.h; other numbers are in host order.

#include <linux/types.h>

/// Of a name in wire form with the root's byte; longer ones are the server's.
#define WEFT_DNS_NAME 128

/// A name in wire form and lower case, then zeros.
struct weft_dns_name {
  __u8 wire[WEFT_DNS_NAME];
};

/// What an existing name has: an address of a family, or none of it (NODATA).
struct weft_dns_record {
  __u8 v6[16];
  __u8 v4[4];
  __u8 has_v4;
  __u8 has_v6;
  __u8 name_size;  ///< of its name, without the zeros
  __u8 reserved;
};

/// The node's DNS server, which the answers are to look like.
struct weft_dns_server {
  __u64 until_ns;  ///< CLOCK_MONOTONIC, coarse: from then on it answers itself
  __u8 addr4[16];  ///< where it is asked; port 0: it is not, by that family
  __u8 addr6[16];
  __be16 port4;
  __be16 port6;
  __u32 ttl;
  __u32 serial;     ///< of its SOA record
  __u32 zone_size;  ///< bytes at the end of each name that are the zone's
};

/// Answers that were given, by the family of the transport and the type that was asked for.
enum weft_dns_counter {
  WEFT_DNS_A_BY_V4,
  WEFT_DNS_AAAA_BY_V4,
  WEFT_DNS_A_BY_V6,
  WEFT_DNS_AAAA_BY_V6,
  WEFT_DNS_COUNTERS,
};
