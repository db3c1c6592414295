#include <fmt/core.h>
#include <net/if.h>
#include <netinet/in.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>

#include "base/log.h"
#include "base/mounts.h"
#include "base/netlink.h"
#include "cmd/commands.h"
#include "dns/link_answers.h"
#include "dns/liveness.h"
#include "kube/client/client.h"
#include "kube/client/events.h"
#include "kube/client/informer.h"
#include "kube/node.h"
#include "kube/service.h"
#include "observe/observer.h"
#include "observe/service_names.h"
#include "podnet/cni_server.h"
#include "podnet/node.h"
#include "podnet/peers.h"
#include "podnet/pod_link.h"
#include "policy/controller.h"
#include "service/announcer.h"
#include "service/edge_engine.h"
#include "service/engine.h"
#include "service/local_check.h"
#include "service/node_port_follower.h"
#include "service/proxy_http.h"

namespace weft::cmd {
namespace {

struct Flags {
  std::string kubeconfig;
  std::string node_name;
  std::string cni_socket = "/run/weft/cni.sock";
  std::string state_dir = "/var/lib/weft";
  std::string domains_socket = "/run/weft/domains.sock";
  uid_t dns_user = 0;
  std::string bpf_dir = "/sys/fs/bpf/weft";
  std::string cgroup;
  std::vector<std::string> pod_cidrs, node_ips;
  std::string overlay;
  bool no_masquerade = false, dsr = false;
  std::vector<std::string> nodeport_addresses;
  std::string healthz_address = "0.0.0.0:10256";
  std::string metrics_address = "127.0.0.1:10249";
};

/// What the agent has to know of its node before it can serve it.
struct NodeNetwork {
  std::vector<IpPrefix> pod_cidrs;
  std::vector<IpAddr> addresses;
};

Expected<NodeNetwork> parse_network(const std::vector<std::string>& cidrs,
                                    const std::vector<std::string>& ips) {
  NodeNetwork out;
  for (const auto& text : cidrs) {
    auto prefix = IpPrefix::parse(text);
    if (!prefix)
      return fail(ErrorCode::invalid, fmt::format("pod CIDR {}: not a prefix like 10.244.0.0/24", text));
    out.pod_cidrs.push_back(*prefix);
  }
  for (const auto& text : ips) {
    auto ip = IpAddr::parse(text);
    if (!ip) return fail(ErrorCode::invalid, fmt::format("node address {}: not an IP address", text));
    out.addresses.push_back(*ip);
  }
  return out;
}

/// "" for one that is not served.
Expected<std::optional<http::Address>> parse_listener(const char* flag, const std::string& text) {
  if (text.empty()) return std::nullopt;
  auto address = http::Address::parse(text);
  if (address) return address;
  return fail(ErrorCode::invalid,
              fmt::format("{} {}: expected ADDRESS:PORT or [ADDRESS]:PORT, or \"\" for none", flag, text));
}

std::string zone_of(const kube::Node& node) {
  auto label = node.metadata.labels.find("topology.kubernetes.io/zone");
  return label == node.metadata.labels.end() ? std::string() : label->second;
}

/// Heartbeats and the like change neither.
bool same_place(const kube::Node& a, const kube::Node& b) {
  return a.spec.podCIDRs == b.spec.podCIDRs && a.status.addresses == b.status.addresses;
}

/// One node's agent: everything runs on one event loop.
class Agent {
 public:
  Agent(asio::io_context& io, kube::ClientConfig config, Flags flags)
      : io_(io),
        flags_(std::move(flags)),
        client_(io, std::move(config)),
        services_(client_),
        slices_(client_),
        nodes_(client_),
        events_(client_, "weft-agent", flags_.node_name),
        announcer_(client_, flags_.node_name),
        local_checks_(local_check_options()),
        retry_(io),
        engine_timer_(io) {}

  Expected<void> start() {
    WEFT_TRY(auto network, parse_network(flags_.pod_cidrs, flags_.node_ips));
    announcer_.follow(services_, slices_, nodes_);
    // First of all: the other nodes miss this one soon.
    if (!network.addresses.empty()) WEFT_CHECK(announcer_.start(network.addresses));
    WEFT_CHECK(open_node_ports(network));
    WEFT_CHECK(open_services());
    WEFT_CHECK(open_http());
    if (!network.pod_cidrs.empty()) return serve(network);
    asio::co_spawn(io_, wait_for_node(), asio::detached);
    return {};
  }

  bool failed() const { return failed_; }

 private:
  /// All that needs to know where the node is.
  Expected<void> serve(const NodeNetwork& network) {
    if (!network.pod_cidrs.empty()) WEFT_CHECK(serve_pods(network));
    WEFT_TRY(auto peers,
             podnet::Peers::open({.self = {flags_.node_name, network.addresses}, .mode = mode()}));
    peers_.emplace(std::move(peers));
    WEFT_CHECK(open_edge(network));
    nodes_changed();
    return {};
  }

  Expected<void> serve_pods(const NodeNetwork& network) {
    WEFT_TRY(auto node,
             podnet::Node::open({.state_dir = flags_.state_dir,
                                 .pod_cidrs = network.pod_cidrs,
                                 .node_addresses = network.addresses,
                                 .overhead = mode() == podnet::PeerMode::vxlan
                                                 ? podnet::vxlan_overhead(network.addresses[0].is_v6())
                                                 : 0,
                                 .before_up = [this](int link) { return edge_->attach_pod(link); }}));
    node_.emplace(std::move(node));
    auto handler = [this](const podnet::CniRequest& request) { return handle(request); };
    WEFT_TRY(cni_, podnet::CniServer::listen(io_, flags_.cni_socket, handler));
    spdlog::info("connecting pods of {}; CNI socket {}", network.pod_cidrs[0].str(), flags_.cni_socket);
    return {};
  }

  /// The programs at a pod's link pass nothing until they know the pod.
  podnet::CniResult<json::object> handle(const podnet::CniRequest& request) {
    auto result = node_->handle(request);
    if (!result) return result;
    if (request.command == "DEL" || request.command == "GC") forget_gone();
    if (request.command != "ADD") return result;
    auto connected = connect_policies(request);
    if (connected) return result;
    return std::unexpected(
        podnet::CniError{podnet::CniError::kTryAgain, "the pod's policies", connected.error().message});
  }

  Expected<void> connect_policies(const podnet::CniRequest& request) {
    auto link_name = podnet::host_link_name(request.container_id);
    int link = static_cast<int>(if_nametoindex(link_name.c_str()));
    if (link == 0) return fail_errno("link " + link_name, errno);
    pod_links_[link] = {request.container_id, request.netns};
    auto addresses = node_->addresses_of(request.container_id);
    WEFT_CHECK(engine_->socket().add_pod(request.netns, addresses));
    auto arg = [&](const char* name) {
      auto at = request.args.find(name);
      return at == request.args.end() ? std::string() : at->second;
    };
    auto name = arg("K8S_POD_NAME");
    return policies_->connect(link, {.pod = name.empty() ? name : arg("K8S_POD_NAMESPACE") + "/" + name,
                                     .uid = arg("K8S_POD_UID"),
                                     .addresses = std::move(addresses)});
  }

  void forget_gone() {
    if (auto done = policies_->forget_gone(); !done) spdlog::warn("{}", done.error().message);
    std::erase_if(pod_links_, [this](const auto& entry) { return !policies_->engine().has(entry.first); });
  }

  /// The pods that an earlier agent has connected. What it wrote for them is in force.
  Expected<void> take_over_pods() {
    WEFT_TRY(auto netlink, Netlink::open());
    WEFT_TRY(auto pods, podnet::connected_pods(netlink));
    for (auto& pod : pods) {
      WEFT_TRY(auto link, netlink.find_link(podnet::host_link_name(pod.id)));
      if (!link) continue;
      pod_links_[link->index] = {pod.id, ""};
      if (auto done = engine_->socket().add_pod(netns_of(link->index), pod.addresses); !done)
        spdlog::warn("pod of link {}: {}", link->name, done.error().message);
      WEFT_CHECK(policies_->connect(link->index, {.pod = {}, .uid = {}, .addresses = pod.addresses}));
    }
    return policies_->forget_gone();
  }

  std::string netns_of(int link) {
    auto at = pod_links_.find(link);
    if (at == pod_links_.end()) return {};
    auto& [id, netns] = at->second;
    if (netns.empty()) netns = podnet::find_netns(id);
    return netns;
  }

  /// Nothing depends on it: where the kernel cannot, connections are not seen, and all else goes on. Its
  /// programs stand behind the Services' own, so those have to be there.
  void open_observer() {
    if (observer_ || !policies_ || synced_ < 3) return;
    auto opened = observe::Observer::start(
        engine_->socket().map_folder(), cgroup_,
        {.pod_at = [this](const IpAddr& ip) { return policies_->engine().plan().pod_at(ip); },
         .service_at = [this](const IpAddr& ip, uint16_t port,
                              uint8_t protocol) { return service_names_.find(ip, port, protocol); }});
    if (!opened) return spdlog::warn("weft observe will see no connections: {}", opened.error().message);
    observer_ = std::move(*opened);
    http_->add_page(std::string(observe::kFlowsPage),
                    [this](const http::Request& request) { return observer_->page(request); });
  }

  Expected<void> open_policies() {
    WEFT_TRY(policies_,
             policy::PolicyController::start(
                 client_, nodes_, edge_->policy(),
                 {.node = flags_.node_name,
                  .netns_of = [this](int link) { return netns_of(link); },
                  .behind =
                      [this](const datapath::TcpConnection& connection) {
                        return edge_->edge().behind({connection.local, connection.local_port},
                                                    {connection.remote, connection.remote_port}, IPPROTO_TCP);
                      },
                  .on_synced = [this] { policies_synced(); },
                  .domains = {.socket = flags_.domains_socket,
                              .file = policy::domain_file_in(flags_.state_dir),
                              .user = flags_.dns_user,
                              .on_serving = [this](auto* server) { return dns_serves(server); }}}));
    http_->add_families([this] { return policy::metric_families(policies_->readings()); });
    http_->add_page(std::string(policy::kDecisionsPage), [this](const auto&) {
      return http::Answer{.content_type = "application/json",
                          .headers = {},
                          .body = json::serialize(policies_->recent().to_json())};
    });
    WEFT_CHECK(take_over_pods());
    open_observer();
    return {};
  }

  /// Names are those of the Services, so these have to be known.
  bool dns_serves(const domain_feed::Serving* server) {
    return synced_ >= 3 && link_answers_->serving(server);
  }

  void open_link_answers() {
    link_answers_.emplace(edge_->edge().dns(), edge_facts_.addresses, [this](const auto& each) {
      for (const auto& [key, service] : services_.items()) each(*service);
    });
    services_.on_change([this](const auto& before, const auto& after) {
      link_answers_->service_changed(before.get(), after.get());
    });
    http_->add_families([this] { return link_answers_->families(); });
  }

  void policies_synced() {
    policies_synced_ = true;
    nodes_changed();
  }

  /// Until the nodes are listed, those that the pinned maps know stay inside the cluster.
  Expected<void> open_edge(const NodeNetwork& network) {
    edge_facts_ = {.addresses = network.addresses,
                   .pods = network.pod_cidrs,
                   .overlay = mode() == podnet::PeerMode::vxlan,
                   .masquerade = !flags_.no_masquerade,
                   .direct_return = flags_.dsr};
    WEFT_TRY(edge_, service::NodeEdgeEngine::open(flags_.bpf_dir, engine_->socket()));
    http_->set_edge(*edge_);
    open_link_answers();
    return open_policies();
  }

  Expected<void> open_node_ports(const NodeNetwork& network) {
    WEFT_TRY(auto choice, service::NodePortAddresses::parse(flags_.nodeport_addresses));
    WEFT_TRY(node_ports_, service::NodePortFollower::open(io_, std::move(choice), network.addresses,
                                                          [this](const auto&) { node_ports_changed(); }));
    return {};
  }

  void node_ports_changed() {
    engine_->node_changed(facts());
    http_->set_addresses(node_ports_->addresses());
    if (edge_) nodes_changed();
  }

  service::NodeFacts facts() const { return {flags_.node_name, zone_, node_ports_->addresses()}; }

  /// Hints of endpoints for zones are about the one that the Node is labelled with now.
  void take_zone(const kube::Node& node) {
    if (node.metadata.name != flags_.node_name || zone_of(node) == zone_) return;
    zone_ = zone_of(node);
    spdlog::info("the node's zone is \"{}\"", zone_);
    engine_->node_changed(facts());
  }

  /// Where packets for Services may come in: the links of the node's addresses, and of others that offer node
  /// ports.
  std::vector<IpAddr> edge_addresses() const {
    auto out = edge_facts_.addresses;
    for (const auto& address : node_ports_->addresses()) {
      if (std::ranges::find(out, address) == out.end()) out.push_back(address);
    }
    return out;
  }

  /// Health checks and metrics.
  Expected<void> open_http() {
    WEFT_TRY(auto healthz, parse_listener("--healthz-bind-address", flags_.healthz_address));
    WEFT_TRY(auto metrics, parse_listener("--metrics-bind-address", flags_.metrics_address));
    http_ = std::make_unique<service::ProxyHttp>(
        client_, *engine_, service::ProxyHttp::Options{flags_.node_name, flags_.bpf_dir, healthz, metrics});
    http_->set_addresses(node_ports_->addresses());
    services_.on_change([this](const auto&, const auto&) { http_->service_changed(); });
    slices_.on_change([this](const auto& before, const auto& after) { http_->slice_changed(before, after); });
    nodes_.on_change([this](const auto& before, const auto& after) { http_->node_changed(before, after); });
    return {};
  }

  /// Routes are never taken away for nodes that are merely not listed yet.
  void nodes_changed() {
    if (!peers_ || !nodes_.synced()) return;
    auto applied = apply_nodes();
    if (applied) return;
    spdlog::error("{}; trying again", applied.error().message);
    retry_.expires_after(std::chrono::seconds(1));
    retry_.async_wait([this](boost::system::error_code error) {
      if (!error) nodes_changed();
    });
  }

  Expected<void> apply_nodes() {
    std::vector<kube::Node> nodes;
    for (const auto& [name, node] : nodes_.items()) nodes.push_back(*node);
    std::ranges::sort(nodes, {}, [](const kube::Node& node) { return node.metadata.name; });
    auto plan = podnet::plan_peers(nodes, peers_->options().self, peers_->options().mode);
    if (plan.problems != peer_problems_) {
      for (const auto& problem : plan.problems) spdlog::warn("{}; left out", problem);
      peer_problems_ = plan.problems;
    }
    WEFT_CHECK(peers_->apply(plan));
    // Programs that take the place of running ones must find the Services in their maps, which may be new.
    if (synced_ < 3) return {};
    // And those at pods' links what policies say of them.
    if (policies_synced_ && !pods_attached_) WEFT_CHECK(edge_->attach_pods());
    pods_attached_ = policies_synced_;
    return edge_->apply(service::plan_edge(edge_facts_, nodes), edge_addresses());
  }

  podnet::PeerMode mode() const {
    return flags_.overlay == "vxlan" ? podnet::PeerMode::vxlan : podnet::PeerMode::direct;
  }

  /// On a stock cluster the node's addresses and pod CIDRs are given by others.
  asio::awaitable<void> wait_for_node() {
    asio::steady_timer timer(io_);
    while (true) {
      auto object = co_await client_.get(kube::resource_of<kube::Node>(), "", flags_.node_name);
      if (object && take_node(*object)) co_return;
      if (!object) spdlog::warn("node {}: {}", flags_.node_name, object.error().message);
      timer.expires_after(std::chrono::seconds(1));
      co_await timer.async_wait(asio::use_awaitable);
    }
  }

  bool take_node(const json::value& object) {
    auto node = kube::decode<kube::Node>(object);
    if (!node) return false;
    auto ips = flags_.node_ips;
    for (const auto& address : node->status.addresses) {
      if (flags_.node_ips.empty() && address.type == "InternalIP") ips.push_back(address.address);
    }
    if (ips.empty()) return false;
    auto network = parse_network(node->spec.podCIDRs, ips);
    auto served = network ? serve(*network) : std::unexpected(network.error());
    if (served) served = announcer_.start(network->addresses);
    if (served) node_ports_->set_primary(network->addresses);
    if (!served) end(served.error());
    return true;
  }

  Expected<void> open_services() {
    cgroup_ = flags_.cgroup;
    if (cgroup_.empty()) {
      WEFT_TRY(cgroup_, cgroup2_root());
    }
    WEFT_TRY(engine_,
             service::ServiceEngine::open(
                 {.bpf_dir = flags_.bpf_dir,
                  .cgroup_path = cgroup_,
                  .node = facts(),
                  .sizes = {},
                  .on_failing = [this](const auto& key, const Error* why) { tell_of_service(key, why); },
                  .wake_at = [this](auto when) { wake_engine_at(when); }}));
    services_.on_change([this](const auto& before, const auto& after) {
      engine_->service_changed(before, after);
      local_checks_.service_changed(before, after);
      service_names_.service_changed(before, after);
    });
    slices_.on_change(
        [this](const auto& before, const auto& after) { local_checks_.slice_changed(before, after); });
    nodes_.on_change([this](const auto& before, const auto& after) {
      if (after) take_zone(*after);
      if (!before || !after || !same_place(*before, *after)) nodes_changed();
    });
    services_.on_synced([this] { synced(); });
    slices_.on_synced([this] { synced(); });
    // Without the node's zone the first plans would lead to others.
    nodes_.on_synced([this] { synced(); });
    asio::co_spawn(io_, services_.run(), asio::detached);
    asio::co_spawn(io_, slices_.run(), asio::detached);
    asio::co_spawn(io_, nodes_.run(), asio::detached);
    return {};
  }

  void wake_engine_at(std::chrono::steady_clock::time_point when) {
    engine_timer_.expires_at(when);
    engine_timer_.async_wait([this](auto error) {
      if (!error) engine_->wake();
    });
  }

  service::LocalChecks::Options local_check_options() {
    return {
        .node = flags_.node_name,
        .follow = [this](const service::CheckTarget& target, const IpAddr& asked,
                         const auto& on_verdict) -> std::shared_ptr<void> {
          return std::make_shared<dns::Liveness>(io_, dns::SocketAddress{target.addr, target.port}, asked,
                                                 on_verdict);
        },
        .slices_of =
            [this](const std::string& service) {
              std::vector<service::SlicePtr> out;
              for (const auto& [key, slice] : slices_.items()) {
                if (service::service_of(*slice) == service) out.push_back(slice);
              }
              return out;
            },
        .on_slice = [this](const auto& before, const auto& after) { engine_->slice_changed(before, after); }};
  }

  void tell_of_service(const std::string& key, const Error* why) {
    auto service = services_.get(key);
    if (!service) return;
    using Type = kube::EventRecorder::Type;
    auto about = kube::reference_to(kube::resource_of<kube::Service>(), service->metadata);
    if (why) {
      events_.record(
          about, Type::warning, "ProxyProgrammingFailed",
          fmt::format("{}: not programmed, its last good state stays: {}", flags_.node_name, why->message));
    } else {
      events_.record(about, Type::normal, "ProxyProgrammed", flags_.node_name + ": programmed");
    }
  }

  void synced() {
    if (++synced_ < 3) return nodes_changed();
    if (auto done = engine_->synced(); !done) return end(done.error());
    auto stats = engine_->stats();
    spdlog::info("synced: {} Services, {} backends, {} not programmed", stats.services, stats.backends,
                 stats.failing.size());
    open_observer();
    nodes_changed();
  }

  void end(const Error& why) {
    spdlog::error("{}", why.message);
    failed_ = true;
    io_.stop();
  }

  asio::io_context& io_;
  Flags flags_;
  kube::Client client_;
  kube::Informer<kube::Service> services_;
  kube::Informer<kube::EndpointSlice> slices_;
  kube::Informer<kube::Node> nodes_;
  kube::EventRecorder events_;
  service::Announcer announcer_;
  service::LocalChecks local_checks_;
  asio::steady_timer retry_;
  asio::steady_timer engine_timer_;
  std::unique_ptr<service::ServiceEngine> engine_;
  std::unique_ptr<service::NodeEdgeEngine> edge_;
  std::unique_ptr<service::NodePortFollower> node_ports_;
  std::unique_ptr<service::ProxyHttp> http_;
  service::EdgeFacts edge_facts_;
  std::optional<podnet::Peers> peers_;
  std::vector<std::string> peer_problems_;
  std::optional<podnet::Node> node_;
  std::unique_ptr<podnet::CniServer> cni_;
  std::string zone_;
  std::unique_ptr<policy::PolicyController> policies_;
  std::string cgroup_;  ///< whose processes get Services
  observe::ServiceNames service_names_;
  std::optional<dns::LinkAnswers> link_answers_;
  std::unique_ptr<observe::Observer> observer_;                   ///< null: the kernel cannot
  std::map<int, std::pair<std::string, std::string>> pod_links_;  ///< id and network namespace; "": not known
  bool policies_synced_ = false;
  bool pods_attached_ = false;  ///< those that an earlier agent had connected
  int synced_ = 0;              ///< of the three informers
  bool failed_ = false;
};

Expected<void> run(const Flags& flags) {
  if (flags.dsr && !flags.overlay.empty())
    return fail(ErrorCode::invalid,
                "--dsr with --overlay: packets inside a tunnel cannot be answered directly; "
                "choose one of them");
  WEFT_TRY(auto config, kube::find_config(flags.kubeconfig));
  asio::io_context io(1);
  // What is in the kernel, and the pods' links, stay when the agent goes: traffic goes on.
  asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&io](auto, int) { io.stop(); });
  Agent agent(io, std::move(config), flags);
  WEFT_CHECK(agent.start());
  io.run();
  if (agent.failed()) return fail(ErrorCode::internal, "stopped");
  return {};
}

}  // namespace

void add_agent_command(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* agent = app.add_subcommand("agent", "Serve a node: connect its pods, and balance its Services");
  agent->add_option("--kubeconfig", flags->kubeconfig,
                    "default: $KUBECONFIG, else the service account of the pod");
  agent->add_option("--node-name", flags->node_name, "of the Node object")->required();
  agent->add_option("--cni-socket", flags->cni_socket)->capture_default_str();
  agent
      ->add_option("--state-dir", flags->state_dir,
                   "keeps who has which pod address, and which addresses names were answered to have")
      ->capture_default_str();
  agent
      ->add_option("--domains-socket", flags->domains_socket,
                   "where weft dns tells what names that policies ask for were answered to have; \"\": "
                   "nowhere, and such rules allow nothing")
      ->capture_default_str();
  agent->add_option("--dns-user", flags->dns_user, "the user id of weft dns")->capture_default_str();
  agent->add_option("--bpf-dir", flags->bpf_dir, "folder on a bpffs for what stays in the kernel")
      ->capture_default_str();
  agent->add_option("--cgroup", flags->cgroup,
                    "its processes get Services; default: the whole machine's cgroup v2 hierarchy");
  agent->add_option("--pod-cidr", flags->pod_cidrs,
                    "pods' addresses, one a family; default: the Node's spec.podCIDRs");
  agent
      ->add_option("--overlay", flags->overlay,
                   "vxlan: reach other nodes' pods inside UDP; default: by routes")
      ->check(CLI::IsMember({"vxlan"}));
  agent->add_flag("--no-masquerade", flags->no_masquerade,
                  "pods keep their addresses towards the outside of the cluster");
  agent->add_flag(
      "--dsr", flags->dsr,
      "direct server return: packets from outside for another node's pods keep the client's address "
      "and are answered by that node; the nodes have to be on one link, without an overlay");
  agent
      ->add_option("--nodeport-addresses", flags->nodeport_addresses,
                   "node ports are offered on the node's addresses in these ranges; default: primary, those "
                   "by which the cluster knows the node")
      ->delimiter(',');
  agent
      ->add_option("--healthz-bind-address", flags->healthz_address,
                   "serves /healthz and /livez; \"\": nowhere")
      ->capture_default_str();
  agent
      ->add_option("--metrics-bind-address", flags->metrics_address,
                   "serves /metrics, /policy/decisions and /flows; \"\": nowhere")
      ->capture_default_str();
  agent->add_option("--node-ip", flags->node_ips, "the node's addresses; default: the Node's InternalIPs");
  agent->callback([flags, &exit_code] {
    if (auto result = run(*flags); !result) {
      spdlog::error("{}", result.error().message);
      exit_code = 2;
    }
  });
}

}  // namespace weft::cmd
