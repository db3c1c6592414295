#pragma once

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gateway/http/message.h"
#include "gateway/route/router.h"
#include "trace/ends.h"
#include "trace/hints.h"
#include "trace/hop.h"
#include "trace/world.h"

namespace weft::trace {

/// What goes over the connection, besides what the destination says.
struct Request {
  uint8_t protocol = 6;  ///< IPPROTO_…
  std::optional<uint16_t> port;
  std::string method = "GET";
  std::vector<std::pair<std::string, std::string>> headers;
};

/// What becomes of a connection. Pure. Fails when it is not said what is asked for: a Service with several
/// ports and no port.
Expected<Trace> trace_connection(const World& world, const std::vector<Source>& sources,
                                 const Destination& to, const Request& request);

/// One connection from one source, step by step. What a step says is read off the plans of World.
class Walk {
 public:
  Walk(const World& world, const Source& source, const Destination& to, const Request& request);

  /// The hops behind the first, which says who connects.
  std::vector<Hop> run();
  Hop from_hop() const;
  /// What is connected to, as run() has found it.
  const std::vector<Target>& targets() const { return targets_; }
  /// The name is none of the cluster's, but one that a Gateway or an Ingress is for.
  bool name_taken() const { return name_taken_; }
  /// The host of HTTP, with the port where it is not the usual one.
  std::string host_name() const;

 private:
  // walk.cpp: whom the destination means.
  std::vector<Hop> to_name();
  std::vector<Hop> to_service();
  std::vector<Hop> to_gateway();
  std::vector<Hop> to_addresses(const std::vector<IpAddr>& addresses, uint16_t port);
  /// Where a pod declares ports, and not this one.
  void note_undeclared(Hop& hop, const kube::Pod& pod, uint16_t port) const;
  std::vector<Hop> to_nodes(std::vector<IpAddr> addresses, uint16_t port);
  /// From here to there, whatever is there.
  Hop connect(const Target& to);
  Hop connect_by(const Target& to, const std::string& node);
  Hop connect_to_pod(const Target& to, const std::string& pod);
  Hop connect_to_node(const Target& to, const std::string& node);
  Hop connect_to_outside(const Target& to);
  Hop unroutable(const Target& to, const std::string& what) const;
  bool is_inside() const { return source_.kind != Source::Kind::outside; }

  // walk_names.cpp: from a name to addresses.
  Hop resolve(const std::string& host, std::vector<IpAddr>& out);
  Hop resolve_in_pod(const kube::Pod& pod, const std::string& host, std::vector<IpAddr>& out);
  bool is_in_hosts_file(const kube::Pod& pod, const std::string& host, Hop& hop,
                        std::vector<IpAddr>& out) const;
  bool may_ask(const kube::ResolvConf& conf, Hop& hop);
  /// True: the search is over.
  bool ask(const std::string& name, Hop& hop, std::vector<IpAddr>& out);
  void resolve_outside(const std::string& host, Hop& hop, std::vector<IpAddr>& out);
  void miss(const std::string& host, Hop& hop) const;

  // walk_service.cpp: from a Service's address to its endpoints.
  struct Way {
    std::string key;
    Ptr<kube::Service> service;
    service::ServicePlan plan;
    size_t frontend = 0;
    std::string node;      ///< that translates it
    bool by_edge = false;  ///< its packets come to that node from elsewhere
    const service::Frontend& front() const { return plan.frontends[frontend]; }
  };
  /// Those Services that have the address are told in `owners`.
  std::optional<Way> find_way(const Target& to, const std::string& node,
                              std::vector<std::string>& owners) const;
  std::string entry_node(const Target& to) const;
  std::vector<std::string> entry_nodes(const Target& to) const;
  Hop refuse_port(const Target& to, const std::vector<std::string>& owners) const;
  Hop through_service(const Target& to, const Way& way, const std::string& node);
  Hop slices_hop(const Way& way, const service::BackendSet& set, service::WhenEmpty when_empty,
                 const std::string& node);
  Hop proxies_hop(const Way& way, const service::BackendSet& set);
  Hop endpoint_hop(const Way& way, const service::Backend& backend);
  bool is_kept_out(const Way& way, Hop& hop) const;
  const std::vector<service::SlicePtr>& slices_of(const std::string& service) const;

  // walk_policy.cpp
  /// The source, as a connection to `peer` shows it.
  policy::Party party(const IpAddr& peer) const;
  /// The source, as an endpoint on `node` sees it: passed on by another node as service/forwarding.h has it.
  policy::Party party_behind(const Way& way, const IpAddr& peer, const std::string& node, Hop& hop) const;
  bool comes_back(const Way& way, const IpAddr& peer, const std::string& node) const;
  /// Adds what policies say at both ends. `service_port`: what the client asked a Service for. `has_left`:
  /// the client's own end was asked before.
  void ask_policies(Hop& hop, const policy::Party& from, const policy::Party& to, uint16_t port,
                    uint16_t service_port = 0, bool has_left = false) const;
  /// `fix`: what mends it better than another rule; "": that is what mends it.
  Hop end_hop(policy::Direction direction, const policy::EndVerdict& verdict, const policy::Party& at,
              const policy::Party& peer, uint16_t port, std::string fix) const;
  /// Where it is denied at that end, and policies allow a port there that this one may be taken for.
  std::string fix_of_port(const policy::Party& from, const policy::Party& to, uint16_t port,
                          uint16_t service_port,
                          std::optional<policy::EndVerdict> policy::Evaluation::* end) const;
  std::string describe_peer(const policy::Party& peer, uint16_t port) const;

  // walk_gateway.cpp: what a proxy does.
  struct Ask {
    gateway::Arena arena;
    gateway::RequestHead head;
    std::string bad;  ///< why no server takes it
  };
  void make_ask(Ask& ask) const;
  Hop through_gateway(const std::string& gateway, const gateway::PortKey& port, const IpAddr& proxy);
  Hop gateway_hop(const std::string& gateway, const IpAddr& proxy) const;
  ObjectRef ref_of(const gateway::Why& listener) const;
  const std::string& client_namespace() const;
  const gateway::CompiledListener* listener_for(const gateway::CompiledPort& port,
                                                std::string_view host) const;
  Hop listener_hop(const gateway::CompiledPort& port, const IpAddr& proxy);
  Hop http_hop(const gateway::CompiledListener& listener, Ask& ask, const IpAddr& proxy);
  Hop rule_hop(const gateway::Candidate& found, Ask& ask, uint16_t port, const IpAddr& proxy);
  Hop stream_hop(const gateway::CompiledListener& listener, const IpAddr& proxy);
  std::vector<Hop> backend_hops(const std::vector<gateway::WeightedBackend>& backends,
                                const gateway::Why& why, const IpAddr& proxy);
  Hop backend_hop(const gateway::WeightedBackend& backend, const gateway::Why& why, const IpAddr& proxy);
  Hop unserved(const std::string& gateway, const gateway::PortKey& port) const;
  Hint why_unattached(std::string_view host, std::vector<ObjectRef>& by) const;

  const World& world_;
  const Source& source_;
  const Destination& to_;
  const Request& request_;
  std::vector<Target> targets_;
  bool name_taken_ = false;
};

/// Whether one of its containers declares the port; `protocol` IPPROTO_….
bool declares(const kube::Pod& pod, uint16_t port, uint8_t protocol);

/// Fills the outcome in from the hops that are one after the other.
void settle_sequence(Hop& hop);
/// The same for ways one of which is taken.
void settle_any(Hop& hop);

}  // namespace weft::trace
