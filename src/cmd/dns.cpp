#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <sstream>

#include "base/log.h"
#include "base/seccomp.h"
#include "cmd/commands.h"
#include "cmd/dns_commands.h"
#include "dns/cluster_feed.h"
#include "dns/config_file.h"
#include "dns/file_watcher.h"
#include "dns/metrics.h"
#include "dns/own_addresses.h"
#include "dns/resolv_conf.h"
#include "dns/server.h"
#include "dns/status_pages.h"
#include "kube/client/client.h"

namespace weft::cmd {
namespace {

constexpr const char* kZone = "cluster.local";
constexpr const char* kHealthAddress = "127.0.0.1:9154";
constexpr const char* kMetricsAddress = "127.0.0.1:9153";

/// What is not given is what the configuration file says, or else the default.
struct Flags {
  std::string kubeconfig, config;
  std::optional<std::string> zone, pods, health_address, ready_address, metrics_address;
  std::vector<std::string> listen;
  std::optional<uint32_t> ttl;
  std::optional<int> lame_duck_seconds;
  std::string resolv_conf = "/etc/resolv.conf";
  std::string domains_socket = "/run/weft/domains.sock";
  bool coredns_metrics = false;
  int threads = 1;
};

/// Flags and files together.
struct Settings {
  dns::ServerOptions server;
  dns::ZoneOptions zone;
  std::optional<http::Address> health, ready, metrics;
  std::chrono::milliseconds lame_duck{0};
  std::vector<std::string> files;  ///< that it was read from
};

/// All addresses of both families are those of one where the kernel has no other.
std::vector<dns::SocketAddress> without_v6(std::vector<dns::SocketAddress> all) {
  if (dns::kernel_has_v6()) return all;
  std::erase_if(all, [wanted = all](const dns::SocketAddress& address) {
    return address.ip.is_v6() && address.ip.is_unspecified() &&
           std::ranges::find(wanted, dns::SocketAddress{IpAddr(), address.port}) != wanted.end();
  });
  return all;
}

Expected<std::vector<dns::SocketAddress>> listen_addresses(const Flags& flags, const dns::ConfigFile& file) {
  if (flags.listen.empty() && !file.listen.empty()) return without_v6(file.listen);
  std::vector<dns::SocketAddress> out;
  const std::vector<std::string> all{"0.0.0.0:53", "[::]:53"};
  for (const std::string& text : flags.listen.empty() ? all : flags.listen) {
    auto address = dns::SocketAddress::parse(text);
    if (!address)
      return fail(ErrorCode::invalid,
                  "--listen " + text + ": expected ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT");
    out.push_back(*address);
  }
  return without_v6(std::move(out));
}

Expected<dns::ZoneOptions> zone_options(const Flags& flags, const dns::ConfigFile& file) {
  dns::ZoneOptions options;
  if (flags.zone || !file.zone) {
    auto text = flags.zone.value_or(kZone);
    auto zone = dns::Name::parse(text);
    if (!zone || zone->is_root()) return fail(ErrorCode::invalid, "--zone " + text + ": no domain name");
    options.zone = *zone;
  } else {
    options.zone = *file.zone;
  }
  options.ttl = flags.ttl ? *flags.ttl : file.ttl.value_or(options.ttl);
  const std::string pods = flags.pods ? *flags.pods : file.pods;
  if (pods == "insecure") options.pods = dns::PodRecords::insecure;
  if (pods == "verified") options.pods = dns::PodRecords::verified;
  return options;
}

/// A flag goes before the file, which goes before the default.
Expected<std::optional<http::Address>> page_address(const char* name, const std::optional<std::string>& flag,
                                                    const std::optional<http::Address>& file,
                                                    const char* fallback) {
  if (!flag && file) return file;
  const std::string text = flag.value_or(fallback);
  if (text.empty()) return std::nullopt;
  auto address = http::Address::parse(text);
  if (address) return address;
  return fail(ErrorCode::invalid,
              std::string(name) + " " + text + ": expected ADDRESS:PORT or [ADDRESS]:PORT, or \"\" for none");
}

/// Reads all files anew.
Expected<Settings> read_settings(const Flags& flags) {
  Settings out;
  dns::ConfigFile file;
  if (!flags.config.empty()) {
    WEFT_TRY(file, dns::load_config(flags.config));
    out.files = file.files;
    out.files.push_back(flags.config);
    for (const auto& warning : file.warnings) spdlog::warn("{}", warning);
  }
  if (!file.says_forwards && !flags.resolv_conf.empty()) {
    out.files.push_back(flags.resolv_conf);
    WEFT_TRY(auto servers, dns::load_resolv_conf(flags.resolv_conf));
    if (!servers.empty()) file.config.forwards.push_back(dns::forward_to(servers));
  }
  out.server.config = std::make_shared<const dns::Config>(std::move(file.config));
  // Whoever is forwarded to: the node's pods have its search list.
  if (auto search = dns::load_search_list(flags.resolv_conf)) out.server.node_search = std::move(*search);
  out.server.threads = flags.threads;
  out.server.find_loops = true;
  out.server.domains_socket = flags.domains_socket;
  WEFT_TRY(out.server.listen, listen_addresses(flags, file));
  WEFT_TRY(out.zone, zone_options(flags, file));
  out.zone.own_addresses = dns::own_addresses(out.server.listen);
  WEFT_TRY(out.health,
           page_address("--health-bind-address", flags.health_address, file.health, kHealthAddress));
  const auto ready = file.ready ? file.ready : out.health;
  WEFT_TRY(out.ready, page_address("--ready-bind-address", flags.ready_address, ready, ""));
  WEFT_TRY(out.metrics,
           page_address("--metrics-bind-address", flags.metrics_address, file.metrics, kMetricsAddress));
  if (flags.lame_duck_seconds)
    out.lame_duck = std::chrono::seconds(*flags.lame_duck_seconds);
  else if (file.lame_duck)
    out.lame_duck = *file.lame_duck;
  return out;
}

/// One DNS server's process: everything but the threads that answer is on one event loop.
class DnsProcess {
 public:
  DnsProcess(asio::io_context& io, kube::ClientConfig config, const Flags& flags, Settings settings)
      : io_(io),
        flags_(flags),
        settings_(std::move(settings)),
        zone_(settings_.zone),
        client_(io, std::move(config)),
        feed_(client_, zone_),
        signals_(io, SIGINT, SIGTERM),
        last_quack_(io),
        watcher_(io, [this] { reload(); }) {}

  Expected<void> start() {
    feed_.on_synced([this](const dns::ClusterFeed::Counts& counts) { synced(counts); });
    WEFT_TRY(server_, dns::Server::start(settings_.server, zone_));
    tell_addresses();
    WEFT_TRY(pages_, dns::StatusPages::open(io_, {.health = settings_.health,
                                                  .ready = settings_.ready,
                                                  .metrics = settings_.metrics,
                                                  .synced = [this] { return synced_; },
                                                  .families = [this] { return families(); }}));
    tell_forwards();
    watcher_.watch(settings_.files);
    await_signal();
    feed_.start(io_);
    return {};
  }

 private:
  void synced(const dns::ClusterFeed::Counts& counts) {
    synced_ = true;
    spdlog::info("synced: {} Services, {} EndpointSlices, {} Namespaces, {} Pods", counts.services,
                 counts.slices, counts.namespaces, counts.pods);
  }

  void tell_forwards() const {
    for (const auto& forward : settings_.server.config->forwards) {
      for (const auto& upstream : forward.upstreams)
        spdlog::info("names under {} go to {}{}", forward.domain.str(), upstream.address.str(),
                     upstream.tls() ? " over TLS" : "");
    }
  }

  /// What is wrong leaves what is in force as it is.
  void reload() {
    auto read = read_settings(flags_);
    auto taken = read ? take(*read) : std::unexpected(read.error());
    if (!taken) {
      ++readings_.failed_reloads;
      readings_.last_reload_failed = true;
      std::istringstream lines(taken.error().message);
      for (std::string line; std::getline(lines, line);) spdlog::error("{}", line);
      spdlog::error("the configuration is not taken; the one before stays in force");
      return;
    }
    ++readings_.reloads;
    readings_.last_reload_failed = false;
    settings_ = std::move(*read);
    watcher_.watch(settings_.files);
    spdlog::info("the configuration was read again and is in force");
    tell_forwards();
  }

  /// As a whole: what was taken is undone when what follows fails.
  Expected<void> take(const Settings& read) {
    WEFT_CHECK(pages_->move(read.health, read.ready, read.metrics));
    auto taken = server_->configure(read.server.config);
    if (taken) {
      taken = server_->listen(read.server.listen);
      if (!taken) (void)server_->configure(settings_.server.config);
    }
    if (!taken) {
      (void)pages_->move(settings_.health, settings_.ready, settings_.metrics);
      return taken;
    }
    if (read.server.listen != settings_.server.listen) tell_addresses();
    feed_.configure(read.zone);
    return {};
  }

  void tell_addresses() const {
    for (const auto& address : server_->addresses())
      spdlog::info("listening on {}, UDP and TCP", address.str());
  }

  std::vector<prometheus::MetricFamily> families() {
    readings_.threads = server_->counters();
    readings_.upstreams = server_->upstreams();
    readings_.synced = synced_;
    return dns::metric_families(readings_, flags_.coredns_metrics);
  }

  /// The first one begins the end, a second one is the end.
  void await_signal() {
    signals_.async_wait([this](auto error, int) {
      if (error) return;
      if (ending_ || settings_.lame_duck.count() == 0) return io_.stop();
      ending_ = true;
      pages_->set_lame_duck();
      server_->set_lame_duck();
      spdlog::info("ending: /health says so for {} ms, in which questions are still answered",
                   settings_.lame_duck.count());
      last_quack_.expires_after(settings_.lame_duck);
      last_quack_.async_wait([this](auto) { io_.stop(); });
      await_signal();
    });
  }

  asio::io_context& io_;
  const Flags& flags_;
  Settings settings_;
  dns::SharedZone zone_;
  kube::Client client_;
  dns::ClusterFeed feed_;
  asio::signal_set signals_;
  asio::steady_timer last_quack_;
  dns::FileWatcher watcher_;
  std::unique_ptr<dns::Server> server_;
  std::unique_ptr<dns::StatusPages> pages_;
  dns::MetricReadings readings_;
  bool synced_ = false;
  bool ending_ = false;
};

/// Each question to an upstream has a socket of its own; by default a process may have 1,024.
void allow_many_sockets() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

Expected<void> run(const Flags& flags) {
  allow_many_sockets();
  WEFT_CHECK(give_up_system_calls());
  WEFT_TRY(auto settings, read_settings(flags));
  WEFT_TRY(auto config, kube::find_config(flags.kubeconfig));
  asio::io_context io(1);
  DnsProcess process(io, std::move(config), flags, std::move(settings));
  WEFT_CHECK(process.start());
  io.run();
  return {};
}

void add_page_options(CLI::App& dns, Flags& flags) {
  dns.add_option("--health-bind-address", flags.health_address, "serves /health; \"\": nowhere")
      ->default_str(kHealthAddress);
  dns.add_option("--ready-bind-address", flags.ready_address, "serves /ready; default: where /health is");
  dns.add_option("--metrics-bind-address", flags.metrics_address, "serves /metrics; \"\": nowhere")
      ->default_str(kMetricsAddress);
  dns.add_flag("--coredns-metrics", flags.coredns_metrics,
               "also serve metrics by the names that dashboards for CoreDNS ask for");
  dns.add_option("--lame-duck-seconds", flags.lame_duck_seconds,
                 "how long to go on answering once told to end, while /health says so")
      ->check(CLI::Range(0, 3600))
      ->default_str("0");
}

}  // namespace

void add_dns_command(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* dns = app.add_subcommand("dns", "Answer DNS for Services and Pods; forward the rest");
  dns->add_option("--kubeconfig", flags->kubeconfig,
                  "default: $KUBECONFIG, else the service account of the pod");
  dns->add_option("--config", flags->config,
                  "configuration file, Weft's or a Corefile; read again when it changes; what flags say goes "
                  "before it");
  dns->add_option("--zone", flags->zone, "the cluster's domain")->default_str(kZone);
  dns->add_option("--listen", flags->listen, "address to answer on, may be repeated")
      ->default_str("0.0.0.0:53 [::]:53");
  dns->add_option("--resolv-conf", flags->resolv_conf,
                  "names outside the zone go to its name servers unless --config says where; \"\": REFUSED")
      ->capture_default_str();
  dns->add_option("--pods", flags->pods, "records for pod addresses under pod.<zone>")
      ->check(CLI::IsMember({"disabled", "insecure", "verified"}))
      ->default_str("disabled");
  dns->add_option("--ttl", flags->ttl, "seconds an answer may be kept")
      ->check(CLI::Range(0, 3600))
      ->default_str("5");
  dns->add_option("--domains-socket", flags->domains_socket,
                  "of the node's agent, who is told what names that policies ask for were answered to have; "
                  "\"\": nobody is")
      ->capture_default_str();
  dns->add_option("--threads", flags->threads, "that answer")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  add_page_options(*dns, *flags);
  add_dns_check_command(*dns, exit_code);
  add_dns_query_command(*dns, exit_code);
  dns->callback([flags, dns, &exit_code] {
    if (!dns->get_subcommands().empty()) return;
    if (auto result = run(*flags); !result) {
      std::istringstream lines(result.error().message);
      for (std::string line; std::getline(lines, line);) spdlog::error("{}", line);
      exit_code = 2;
    }
  });
}

}  // namespace weft::cmd
