#pragma once

/// What flood.cpp and its BPF programs share.

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>

struct datagram {
  struct ethhdr ethernet;
  struct iphdr ip;
  struct udphdr udp;
} __attribute__((packed));
