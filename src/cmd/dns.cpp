#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>

#include "base/log.h"
#include "base/seccomp.h"
#include "cmd/commands.h"
#include "dns/resolv_conf.h"
#include "dns/server.h"
#include "kube/client/client.h"
#include "kube/client/informer.h"
#include "kube/config.h"
#include "kube/service.h"

namespace weft::cmd {
namespace {

struct Flags {
  std::string kubeconfig;
  std::string zone = "cluster.local";
  std::vector<std::string> listen{"0.0.0.0:53", "[::]:53"};
  std::string resolv_conf = "/etc/resolv.conf";
  std::string pods = "disabled";
  std::string domains_socket = "/run/weft/domains.sock";
  uint32_t ttl = 5;
  int threads = 1;
};

Expected<dns::ServerOptions> server_options(const Flags& flags) {
  dns::ServerOptions options;
  options.threads = flags.threads;
  options.domains_socket = flags.domains_socket;
  for (const std::string& text : flags.listen) {
    auto address = dns::SocketAddress::parse(text);
    if (!address)
      return fail(ErrorCode::invalid,
                  "--listen " + text + ": expected ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT");
    options.listen.push_back(*address);
  }
  if (flags.resolv_conf.empty()) return options;
  WEFT_TRY(options.node_search, dns::load_search_list(flags.resolv_conf));
  return options;
}

/// All names outside the zone go to the name servers of resolv.conf.
Expected<dns::ConfigPtr> forwarding(const Flags& flags) {
  auto config = std::make_shared<dns::Config>();
  if (flags.resolv_conf.empty()) return config;
  WEFT_TRY(auto servers, dns::load_resolv_conf(flags.resolv_conf));
  dns::Forward all;
  for (const auto& server : servers) all.upstreams.push_back({.address = server});
  if (!all.upstreams.empty()) config->forwards.push_back(std::move(all));
  return config;
}

Expected<dns::ZoneOptions> zone_options(const Flags& flags) {
  dns::ZoneOptions options;
  auto zone = dns::Name::parse(flags.zone);
  if (!zone || zone->is_root()) return fail(ErrorCode::invalid, "--zone " + flags.zone + ": no domain name");
  options.zone = *zone;
  options.ttl = flags.ttl;
  options.pods = flags.pods == "insecure" ? dns::PodRecords::insecure : dns::PodRecords::disabled;
  return options;
}

/// Feeds one kind into the zone; `synced` is called when its first list is in.
template <class T>
void follow(kube::Informer<T>& informer, dns::SharedZone& zone, const std::function<void()>& synced) {
  informer.on_change([&zone](const auto& before, const auto& after) {
    zone.write([&](dns::Zone& z) { z.apply(before.get(), after.get()); });
  });
  informer.on_synced(synced);
}

Expected<void> run(const Flags& flags) {
  WEFT_CHECK(give_up_system_calls());
  WEFT_TRY(auto zone_settings, zone_options(flags));
  WEFT_TRY(auto settings, server_options(flags));
  WEFT_TRY(settings.config, forwarding(flags));
  WEFT_TRY(auto config, kube::find_config(flags.kubeconfig));
  dns::SharedZone zone(std::move(zone_settings));

  asio::io_context io(1);
  kube::Client client(io, std::move(config));
  kube::Informer<kube::Service> services(client);
  kube::Informer<kube::EndpointSlice> slices(client);
  kube::Informer<kube::Namespace> namespaces(client);
  int missing = 3;
  std::function<void()> synced = [&] {
    if (--missing > 0) return;
    zone.write([](dns::Zone& z) { z.set_synced(); });
    spdlog::info("synced: {} Services, {} EndpointSlices, {} Namespaces", services.items().size(),
                 slices.items().size(), namespaces.items().size());
  };
  follow(services, zone, synced);
  follow(slices, zone, synced);
  follow(namespaces, zone, synced);

  WEFT_TRY(auto server, dns::Server::start(settings, zone));
  for (const auto& address : server->addresses()) spdlog::info("listening on {}, UDP and TCP", address.str());
  for (const auto& forward : settings.config->forwards) {
    for (const auto& upstream : forward.upstreams)
      spdlog::info("names outside {} go to {}", flags.zone, upstream.address.str());
  }

  asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&io](auto, int) { io.stop(); });
  asio::co_spawn(io, services.run(), asio::detached);
  asio::co_spawn(io, slices.run(), asio::detached);
  asio::co_spawn(io, namespaces.run(), asio::detached);
  io.run();
  return {};
}

}  // namespace

void add_dns_command(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* dns = app.add_subcommand("dns", "Answer DNS for Services and Pods; forward the rest");
  dns->add_option("--kubeconfig", flags->kubeconfig,
                  "default: $KUBECONFIG, else the service account of the pod");
  dns->add_option("--zone", flags->zone, "the cluster's domain")->capture_default_str();
  dns->add_option("--listen", flags->listen, "address to answer on, may be repeated")->capture_default_str();
  dns->add_option("--resolv-conf", flags->resolv_conf,
                  "names outside the zone go to its name servers; \"\": REFUSED")
      ->capture_default_str();
  dns->add_option("--pods", flags->pods, "records for pod addresses under pod.<zone>")
      ->check(CLI::IsMember({"disabled", "insecure"}))
      ->capture_default_str();
  dns->add_option("--ttl", flags->ttl, "seconds an answer may be kept")
      ->check(CLI::Range(0, 3600))
      ->capture_default_str();
  dns->add_option("--domains-socket", flags->domains_socket,
                  "of the node's agent, who is told what names that policies ask for were answered to have; "
                  "\"\": nobody is")
      ->capture_default_str();
  dns->add_option("--threads", flags->threads, "that answer")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  dns->callback([flags, &exit_code] {
    if (auto result = run(*flags); !result) {
      spdlog::error("{}", result.error().message);
      exit_code = 2;
    }
  });
}

}  // namespace weft::cmd
