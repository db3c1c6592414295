#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "dns/codec.h"
#include "kube/config.h"
#include "kube/service.h"

/// What the cluster's DNS zone says: the Kubernetes DNS specification 1.1.0, and where it is silent what
/// CoreDNS's `kubernetes` plugin does. Pure: objects in, answers out; no sockets, no clock, no locks.
namespace weft::dns {

/// Answers under `<ns>.pod.<zone>`: none, the address that the name spells (it need not exist), or the same
/// for addresses of pods of that namespace only.
enum class PodRecords { disabled, insecure, verified };

/// All that the zone has to know of a pod, and only with `verified`.
struct PodAddresses {
  std::string namespace_;
  std::vector<IpAddr> addresses;
  bool operator==(const PodAddresses&) const = default;
};

struct ZoneOptions {
  Name zone = *Name::parse("cluster.local");
  uint32_t ttl = 5;  ///< seconds, of all records and of negative answers
  PodRecords pods = PodRecords::disabled;
  /// Where this server answers. A Service that has one of them as an endpoint is what the zone's NS record
  /// names; without one it is ns.dns.<zone> with these addresses.
  std::vector<IpAddr> own_addresses;
  bool operator==(const ZoneOptions&) const = default;
};

/// The answer to one question. Meant to be reused: its vectors keep their room, so answering allocates
/// nothing once warm.
struct Answer {
  /// A name in the answer's own store; read it with `name()`.
  struct NameRef {
    uint32_t at = 0;
    uint8_t size = 0;
  };
  struct Record {
    NameRef owner;
    Type type;
    uint32_t ttl;
    IpAddr address;                 ///< A, AAAA
    NameRef target;                 ///< CNAME, NS, PTR, SRV
    uint16_t weight = 0, port = 0;  ///< SRV
  };
  enum class Kind {
    found,    ///< ours: rcode and records below
    outside,  ///< not ours to answer: for an upstream
    chased,   ///< an ExternalName leads out of the zone: `answer` has the CNAMEs, an upstream knows `chase`
  };

  Kind kind = Kind::found;
  Rcode rcode = Rcode::noerror;
  std::vector<Record> answer, additional;
  NameRef soa_owner;  ///< size 0: no SOA; in the authority section unless `soa_asked`
  bool soa_asked = false;
  bool version_asked = false;  ///< the answer is the TXT record of the specification's version
  bool any_asked = false;      ///< type ANY for a name that exists: the answer is RFC 8482's HINFO record
  Name chase;
  /// The question was answered as this other one: records that have its name get the name that was asked.
  std::optional<Name> rewritten;
  /// Set before the call: fill `why`, one line a cause: "Service shop/backend: spec.clusterIPs".
  bool explain = false;
  std::vector<std::string> why;

  void clear();
  std::span<const uint8_t> name(NameRef ref) const { return {names.data() + ref.at, ref.size}; }
  NameRef keep(std::span<const uint8_t> wire);

  std::vector<uint8_t> names;
};

/// The zone of one cluster. Applying one object costs by that object's size.
class Zone {
 public:
  explicit Zone(ZoneOptions options = {});
  Zone(const Zone&) = delete;
  Zone& operator=(const Zone&) = delete;

  /// One change as an informer reports it: no `before` for a new object, no `after` for a deleted one.
  void apply(const kube::Service* before, const kube::Service* after);
  void apply(const kube::EndpointSlice* before, const kube::EndpointSlice* after);
  void apply(const kube::Namespace* before, const kube::Namespace* after);
  void apply(const PodAddresses* before, const PodAddresses* after);
  /// Other options for the same objects.
  void configure(ZoneOptions options);
  /// Until all collections are complete, names of the zone and reverse names are SERVFAIL: never a false
  /// NXDOMAIN.
  void set_synced() { synced_ = true; }
  bool synced() const { return synced_; }

  void resolve(const Name& name, Type type, Answer& answer) const;

  const ZoneOptions& options() const { return options_; }
  const Name& primary() const { return primary_; }  ///< ns.dns.<zone>
  const Name& mailbox() const { return mailbox_; }  ///< hostmaster.<zone>
  uint32_t serial() const { return serial_; }       ///< counts changes

  enum class Protocol : uint8_t { tcp, udp, sctp };

 private:
  struct Port {
    std::string name;
    uint16_t number;
    Protocol protocol;
  };
  struct Endpoint {
    IpAddr address;
    std::string hostname;  ///< "": the dashed address
  };
  struct Slice {
    std::string name;
    std::vector<Port> ports;
    std::vector<Endpoint> endpoints;  ///< ready ones only
  };
  enum class Kind : uint8_t { absent, cluster_ip, headless, external_name };
  struct ServiceEntry {
    const std::string* namespace_ = nullptr;  ///< keys of the maps that hold the entry
    const std::string* name = nullptr;
    Kind kind = Kind::absent;  ///< absent: EndpointSlices came first
    std::vector<IpAddr> addresses;
    std::vector<Port> ports;
    std::string external_name;
    std::vector<Slice> slices;
  };
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  template <class T>
  using TextMap = std::unordered_map<std::string, T, TextHash, std::equal_to<>>;
  struct NamespaceEntry {
    bool exists = false;  ///< there is a Namespace object; Services alone prove it too
    TextMap<ServiceEntry> services;
  };
  struct Lookup;  // one resolution; see resolve.cpp

  ServiceEntry& service_entry(const std::string& ns, const std::string& name);
  void drop_if_empty(const std::string& ns, const std::string& name);
  void add_reverse(const IpAddr& ip, const ServiceEntry& entry);
  void remove_reverse(const IpAddr& ip, const ServiceEntry& entry);

  ZoneOptions options_;
  Name primary_, mailbox_;
  uint32_t serial_ = 0;
  bool synced_ = false;
  TextMap<NamespaceEntry> namespaces_;
  std::unordered_multimap<IpAddr, const ServiceEntry*> reverse_;
  std::unordered_multimap<IpAddr, std::string> pods_;  ///< to namespaces; pods of the host network share one
};

/// A Service's cluster addresses; none: it is headless, of another kind, or has not got any yet.
std::vector<IpAddr> cluster_addresses(const kube::Service& service);

/// The label that an endpoint without a hostname has: "10-1-2-3", "fd00-1--0".
std::string dashed(const IpAddr& ip);
/// The address that such a label spells in its one canonical way.
std::optional<IpAddr> parse_dashed(std::string_view label);

}  // namespace weft::dns
