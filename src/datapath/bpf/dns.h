#pragma once

// Answers, at the pod's link, what the node's DNS server would say to a pod's question for a plain name: a
// Service's A and AAAA records, or that it has none. Byte for byte the same (dns/codec.h); whatever is less
// than usual in a question is left to the server. datapath/dns_layout.h says what is in the maps.
#include "datapath/bpf/edge_maps.h"
#include "datapath/dns_layout.h"

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 131072);
  __type(key, struct weft_dns_name);
  __type(value, struct weft_dns_record);
} dns_names SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct weft_dns_server);
} dns_server SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, WEFT_DNS_COUNTERS);
  __type(key, __u32);
  __type(value, __u64);
} dns_counters SEC(".maps");

#define PACKET_HOST 0
#define UDP_HEADER 8
#define DNS_HEADER 12
#define TYPE_A 1
#define TYPE_AAAA 28
#define TYPE_SOA 6
#define TYPE_OPT 41
#define CLASS_IN 1
#define POINTER_TO(at) bpf_htons((__u16)(0xc000 | (at)))
// Flags, in the two bytes that a header has for them (RFC 1035, 4.1.1; RFC 4035, 3).
#define FLAG_RESPONSE 0x8000
#define FLAG_AUTHORITATIVE 0x0400
#define FLAG_RECURSION_DESIRED 0x0100
#define FLAG_RECURSION_AVAILABLE 0x0080
#define FLAG_AUTHENTIC 0x0020
#define FLAG_CHECKING_DISABLED 0x0010
// What never fragments (DNS flag day 2020).
#define OUR_UDP_SIZE 1232

struct dns_header {
  __be16 id, flags, questions, answers, authorities, additionals;
};
struct dns_question {
  __be16 type, class;
};
// Records, without what is not of a fixed size: names in them are pointers.
struct dns_record_head {
  __be16 owner, type, class;
  __be32 ttl;
  __be16 size;
} __attribute__((packed));
struct dns_soa {
  struct dns_record_head head;
  __u8 primary[7];  // "ns.dns" under the zone
  __be16 primary_zone;
  __u8 mailbox[11];  // "hostmaster" under it
  __be16 mailbox_zone;
  __be32 serial, refresh, retry, expire, minimum;
} __attribute__((packed));
struct dns_opt {
  __u8 root;
  __be16 type, udp_size;
  __u8 upper_rcode, version;
  __be16 flags, size;
} __attribute__((packed));
#define OPT_DNSSEC_OK 0x8000

#define RECORDS_SIZE sizeof(struct dns_soa)
// What follows the question. Records end where the OPT record begins, so that this is always the same place.
struct dns_tail {
  __u8 records[RECORDS_SIZE];
  struct dns_opt opt;
  __u8 zeros[5];  // checksums are of whole words
};

// A question that is being answered.
struct dns_scratch {
  struct weft_dns_name name;
  struct dns_header header, answer;
  struct dns_question question;
  struct dns_opt opt;
  __u8 zero;  // as above
  struct dns_tail tail;
  __u32 name_size, opt_size, records_size;
};
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct dns_scratch);
} dns_scratches SEC(".maps");

// The server that a datagram is for, whole and without anything that the node's stack would look at.
static __always_inline const struct weft_dns_server* server_asked(context* ctx, const struct packet* p) {
  __u32 zero = 0;
  if (p->tuple.protocol != IPPROTO_UDP || !p->tuple.dport || p->fragment != WHOLE) return 0;
  if (p->l4 - p->l3 != (p->v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr))) return 0;
  if (ctx->vlan_present || ctx->pkt_type != PACKET_HOST) return 0;
  const struct weft_dns_server* server = bpf_map_lookup_elem(&dns_server, &zero);
  if (!server || p->tuple.dport != (p->v6 ? server->port6 : server->port4)) return 0;
  if (!same16(p->tuple.dst, p->v6 ? server->addr6 : server->addr4)) return 0;
  return server->until_ns > bpf_ktime_get_coarse_ns() ? server : 0;
}

// Upper case to lower case, eight bytes at once. The sizes of labels are below any letter.
static __always_inline void lower(struct weft_dns_name* name) {
  __u64* words = (__u64*)name->wire;
  const __u64 ones = 0x0101010101010101ULL;
  for (int i = 0; i < WEFT_DNS_NAME / 8; i++) {
    __u64 low = words[i] & 0x7f * ones;
    __u64 from_a = low + (0x80 - 'A') * ones, behind_z = low + (0x80 - 'Z' - 1) * ones;
    words[i] |= ((from_a ^ behind_z) & ~words[i] & 0x80 * ones) >> 2;
  }
}

// One question, by EDNS or not, without options. Less than 0: something else.
static __always_inline int read_question(context* ctx, const struct packet* p, struct dns_scratch* s) {
  __u32 at = p->l4 + UDP_HEADER;
  __be16 length;
  if (ctx->len != p->l4 + p->l4_length || p->l4_length < UDP_HEADER + DNS_HEADER) return -1;
  if (bpf_skb_load_bytes(ctx, p->l4 + 4, &length, 2) < 0 || bpf_ntohs(length) != p->l4_length) return -1;
  if (bpf_skb_load_bytes(ctx, at, &s->header, sizeof(s->header)) < 0) return -1;
  const __u16 usual = FLAG_RECURSION_DESIRED | FLAG_AUTHENTIC | FLAG_CHECKING_DISABLED;
  if (s->header.flags & ~bpf_htons(usual) || s->header.questions != bpf_htons(1)) return -1;
  if (s->header.answers || s->header.authorities || s->header.additionals & ~bpf_htons(1)) return -1;
  s->opt_size = s->header.additionals ? sizeof(struct dns_opt) : 0;

  __u32 size = p->l4_length - (UDP_HEADER + DNS_HEADER + sizeof(s->question)) - s->opt_size;
  asm volatile("" : "+r"(size));  // one value, which the verifier sees compared and used
  if (size < 1 || size > WEFT_DNS_NAME) return -1;
  s->name_size = size;
  at += DNS_HEADER;
  __builtin_memset(&s->name, 0, sizeof(s->name));
  if (bpf_skb_load_bytes(ctx, at, &s->name, size) < 0) return -1;
  if (bpf_skb_load_bytes(ctx, at + size, &s->question, sizeof(s->question)) < 0) return -1;
  if (s->question.class != bpf_htons(CLASS_IN)) return -1;
  if (s->question.type != bpf_htons(TYPE_A) && s->question.type != bpf_htons(TYPE_AAAA)) return -1;
  __builtin_memset(&s->opt, 0, sizeof(s->opt) + 1);
  if (!s->opt_size) return 0;
  if (bpf_skb_load_bytes(ctx, at + size + sizeof(s->question), &s->opt, sizeof(s->opt)) < 0) return -1;
  if (s->opt.root || s->opt.type != bpf_htons(TYPE_OPT) || s->opt.size) return -1;
  return s->opt.upper_rcode || s->opt.version || s->opt.flags & ~bpf_htons(OPT_DNSSEC_OK) ? -1 : 0;
}

static __always_inline void write_head(struct dns_record_head* head, __be16 owner, __be16 type, __u32 ttl,
                                       __u16 size) {
  head->owner = owner;
  head->type = type;
  head->class = bpf_htons(CLASS_IN);
  head->ttl = bpf_htonl(ttl);
  head->size = bpf_htons(size);
}

// That the name has no such address: a record of the zone says for how long (RFC 2308).
static __always_inline void write_soa(struct dns_soa* soa, const struct weft_dns_server* server,
                                      __u32 name_size) {
  __be16 zone = POINTER_TO(DNS_HEADER + name_size - server->zone_size);
  write_head(&soa->head, zone, bpf_htons(TYPE_SOA), server->ttl, sizeof(*soa) - sizeof(soa->head));
  __builtin_memcpy(soa->primary, "\2ns\3dns", 7);
  soa->primary_zone = zone;
  __builtin_memcpy(soa->mailbox, "\012hostmaster", 11);
  soa->mailbox_zone = zone;
  soa->serial = bpf_htonl(server->serial);
  soa->refresh = bpf_htonl(7200);
  soa->retry = bpf_htonl(1800);
  soa->expire = bpf_htonl(86400);
  soa->minimum = bpf_htonl(server->ttl);
}

static __always_inline void write_records(struct dns_scratch* s, const struct weft_dns_server* server,
                                          const struct weft_dns_record* record) {
  int v6 = s->question.type == bpf_htons(TYPE_AAAA);
  __be16 owner = POINTER_TO(DNS_HEADER);
  __u8* end = s->tail.records + RECORDS_SIZE;
  if (v6 && record->has_v6) {
    write_head((struct dns_record_head*)(end - 28), owner, s->question.type, server->ttl, 16);
    __builtin_memcpy(end - 16, record->v6, 16);
    s->records_size = 28;
  } else if (!v6 && record->has_v4) {
    write_head((struct dns_record_head*)(end - 16), owner, s->question.type, server->ttl, 4);
    __builtin_memcpy(end - 4, record->v4, 4);
    s->records_size = 16;
  } else {
    write_soa((struct dns_soa*)s->tail.records, server, s->name_size);
    s->records_size = RECORDS_SIZE;
  }
}

// All that is said in answer, but for the question, which stays where it is.
static __always_inline void write_answer(struct dns_scratch* s, const struct weft_dns_server* server,
                                         const struct weft_dns_record* record) {
  write_records(s, server, record);
  int found = s->records_size != RECORDS_SIZE;
  __be16 asked = s->header.flags & bpf_htons(FLAG_RECURSION_DESIRED | FLAG_CHECKING_DISABLED);
  s->answer = s->header;
  s->answer.flags = asked | bpf_htons(FLAG_RESPONSE | FLAG_AUTHORITATIVE | FLAG_RECURSION_AVAILABLE);
  s->answer.answers = bpf_htons((__u16)found);
  s->answer.authorities = bpf_htons((__u16)!found);
  __builtin_memset(&s->tail.opt, 0, sizeof(s->tail.opt) + sizeof(s->tail.zeros));
  if (!s->opt_size) return;
  s->tail.opt.type = bpf_htons(TYPE_OPT);
  s->tail.opt.udp_size = bpf_htons(OUR_UDP_SIZE);
  s->tail.opt.flags = s->opt.flags;
}

// Of the words behind the question: what there was, and what there is to be.
#define TAIL_CHANGE(s, size)                                                                  \
  bpf_csum_diff((__be32*)&(s)->opt, 12, (__be32*)((s)->tail.records + RECORDS_SIZE - (size)), \
                ((size) + sizeof(struct dns_opt) + 3) & ~3U, 0)

// What the answer changes in the datagram's own bytes.
static __always_inline __u32 answer_change(struct dns_scratch* s, __u32 length_change) {
  // Each size by itself, as the verifier has to know them.
  __u32 tail = s->records_size == 16   ? (__u32)TAIL_CHANGE(s, 16)
               : s->records_size == 28 ? (__u32)TAIL_CHANGE(s, 28)
                                       : (__u32)TAIL_CHANGE(s, RECORDS_SIZE);
  // What begins at an odd place counts the other way round (RFC 1071, section 2).
  if (s->name_size & 1) tail = tail << 24 | tail >> 8;
  __u64 sum = words_change((__u32*)&s->header, (__u32*)&s->answer, sizeof(s->header) / 4);
  sum += tail;
  sum += length_change;
  return (__u32)((sum & 0xffffffff) + (sum >> 32));
}

static __always_inline int turn_around(context* ctx, const struct packet* p, __u16 length) {
  struct ethhdr* ethernet = bytes_at(ctx, 0, sizeof(*ethernet));
  if (!ethernet) return -1;
  __u8 mac[ETH_ALEN];
  __builtin_memcpy(mac, ethernet->h_source, ETH_ALEN);
  __builtin_memcpy(ethernet->h_source, ethernet->h_dest, ETH_ALEN);
  __builtin_memcpy(ethernet->h_dest, mac, ETH_ALEN);
  if (p->v6) {
    struct ipv6hdr* ip = bytes_at(ctx, p->l3, sizeof(*ip));
    if (!ip) return -1;
    ip->payload_len = bpf_htons((__u16)(p->l4 - p->l3 - sizeof(*ip)) + length);
  } else {
    struct iphdr* ip = bytes_at(ctx, p->l3, sizeof(*ip));
    if (!ip) return -1;
    __u32 was = ip->tot_len, now = bpf_htons((__u16)(p->l4 - p->l3) + length);
    ip->check = updated_sum(ip->check, words_change(&was, &now, 1));
    ip->tot_len = (__be16)now;
  }
  __be16* udp = bytes_at(ctx, p->l4, UDP_HEADER);
  if (!udp) return -1;
  udp[2] = bpf_htons(length);
  return 0;
}

static __always_inline long store_tail(context* ctx, __u32 at, struct dns_scratch* s) {
  const __u8* end = s->tail.records + RECORDS_SIZE;
  long stored = s->records_size == 16   ? bpf_skb_store_bytes(ctx, at, end - 16, 16, 0)
                : s->records_size == 28 ? bpf_skb_store_bytes(ctx, at, end - 28, 28, 0)
                                        : bpf_skb_store_bytes(ctx, at, s->tail.records, RECORDS_SIZE, 0);
  if (stored < 0 || !s->opt_size) return stored;
  return bpf_skb_store_bytes(ctx, at + s->records_size, &s->tail.opt, sizeof(s->tail.opt), 0);
}

// Where what follows the question is, or has to be.
static __always_inline __u32 tail_at(const struct packet* p, const struct dns_scratch* s) {
  return p->l4 + UDP_HEADER + DNS_HEADER + s->name_size + sizeof(s->question);
}

// The datagram, which has its size already, becomes the answer. Less than 0: it is a torn one now.
static __always_inline int make_answer(context* ctx, const struct packet* p, struct dns_scratch* s) {
  __u32 at = tail_at(p, s);
  __u16 length = (__u16)(at - p->l4 + s->records_size + s->opt_size);
  __u32 was = bpf_htons(p->l4_length), now = bpf_htons(length);
  __u32 length_change = words_change(&was, &now, 1);
  if (update_both(ctx, p->l4 + 6, length_change, answer_change(s, length_change), 1) < 0) return -1;
  if (bpf_skb_store_bytes(ctx, p->l4 + UDP_HEADER, &s->answer, sizeof(s->answer), 0) < 0) return -1;
  if (store_tail(ctx, at, s) < 0) return -1;
  if (turn_around(ctx, p, length) < 0) return -1;
  // The sum does not mind which is whose.
  struct weft_tuple to = {.sport = p->tuple.dport, .dport = p->tuple.sport};
  copy16(to.src, p->tuple.dst);
  copy16(to.dst, p->tuple.src);
  __be16* ports = bytes_at(ctx, p->l4, 4);
  if (!ports) return -1;
  ports[0] = to.sport;
  ports[1] = to.dport;
  return store_addresses(ctx, p, &to);
}

// What a pod sends, policies having let it through: its answer goes straight back into the pod, all else
// passes on.
__noinline int answer_question(context* ctx, const struct packet* p) {
  __u32 zero = 0;
  if (!p) return PASS;
  const struct weft_dns_server* server = server_asked(ctx, p);
  struct dns_scratch* s = bpf_map_lookup_elem(&dns_scratches, &zero);
  if (!server || !s || read_question(ctx, p, s) < 0) return PASS;
  lower(&s->name);
  const struct weft_dns_record* record = bpf_map_lookup_elem(&dns_names, &s->name);
  if (!record || record->name_size != s->name_size) return PASS;
  write_answer(s, server, record);
  if (bpf_skb_change_tail(ctx, tail_at(p, s) + s->records_size + s->opt_size, 0) < 0) return PASS;
  if (make_answer(ctx, p, s) < 0) return DROP;
  __u32 what = (p->v6 ? WEFT_DNS_A_BY_V6 : WEFT_DNS_A_BY_V4) + (s->question.type == bpf_htons(TYPE_AAAA));
  __u64* counter = bpf_map_lookup_elem(&dns_counters, &what);
  if (counter) ++*counter;
  return (int)bpf_redirect_peer(ctx->ifindex, 0);
}
