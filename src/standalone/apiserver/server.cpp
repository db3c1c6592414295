#include "standalone/apiserver/server.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <filesystem>
#include <thread>

#include "kube/time.h"
#include "standalone/apiserver/api.h"
#include "standalone/apiserver/crd_lifecycle.h"
#include "standalone/apiserver/garbage_collector.h"
#include "standalone/apiserver/journal.h"
#include "standalone/apiserver/namespace_lifecycle.h"
#include "standalone/apiserver/own_service.h"
#include "standalone/apiserver/priority.h"

namespace weft::standalone {
namespace {

constexpr auto kEventsLive = std::chrono::hours(1);
constexpr auto kSweepEvery = std::chrono::minutes(1);

}  // namespace

struct ApiServer::Impl {
  Impl(ApiServerOptions o, Authority ca)
      : options(std::move(o)),
        authority(std::move(ca)),
        services(options.ranges),
        registry(store, services),
        crds(io, store, kinds, registry),
        namespaces(io, store, kinds, registry, authority.cert_pem()),
        garbage(io, store, kinds, registry),
        api(io, store, kinds, registry, options.pods),
        http(io, api) {}

  Expected<void> load() {
    if (options.data_dir.empty()) return {};
    std::error_code error;
    std::filesystem::create_directories(options.data_dir, error);
    if (error) return fail(ErrorCode::system, fmt::format("{}: {}", options.data_dir, error.message()));
    WEFT_CHECK(open_journal(options.data_dir + "/state.db", store));
    for (const auto& service : store.list("/services", "")) {
      for (const auto& line : services.restore(service->value)) spdlog::warn("{}", line);
    }
    crds.restore();
    namespaces.restore();
    garbage.restore();
    return {};
  }

  Expected<void> create(const char* group, const char* plural, const char* ns, json::object object) {
    auto kind = kinds.find(group, "v1", plural);
    if (store.get(kind->store_key(), ns, kube::string_at(object, "metadata.name"))) return {};
    auto written =
        registry.create({.kind = kind, .ns = ns, .name = {}, .manager = "weft-apiserver"}, std::move(object));
    if (!written) return std::unexpected(written.error().error);
    return {};
  }

  /// What every cluster has.
  Expected<void> furnish() {
    for (const char* name : {"default", "kube-system", "kube-public", "kube-node-lease"}) {
      WEFT_CHECK(create("", "namespaces", "", {{"metadata", {{"name", name}}}}));
    }
    json::array cidrs;
    for (const auto& range : options.ranges.cluster_ips) cidrs.emplace_back(range.str());
    WEFT_CHECK(create("networking.k8s.io", "servicecidrs", "",
                      {{"metadata", {{"name", "kubernetes"}}}, {"spec", {{"cidrs", std::move(cidrs)}}}}));
    return create("", "services", "default", own_service(options.ranges));
  }

  void sweep_events() {
    auto limit = kube::now_point() - kEventsLive;
    for (const auto& event : store.list("/events", "")) {
      auto last = kube::string_at(event->value, "lastTimestamp");
      auto when =
          kube::parse_time(last.empty() ? kube::string_at(event->value, "metadata.creationTimestamp") : last);
      if (!when || *when > limit) continue;
      (void)registry.remove({.kind = kinds.find_stored("/events"),
                             .ns = std::string(kube::string_at(event->value, "metadata.namespace")),
                             .name = std::string(kube::string_at(event->value, "metadata.name"))},
                            {});
    }
  }

  asio::awaitable<void> keep_sweeping() {
    asio::steady_timer timer(io);
    while (true) {
      timer.expires_after(kSweepEvery);
      co_await timer.async_wait(asio::use_awaitable);
      sweep_events();
    }
  }

  Expected<void> serve() {
    WEFT_TRY(auto pair,
             authority.issue_server({"127.0.0.1", "::1", "localhost", "kubernetes", "kubernetes.default",
                                     "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}));
    WEFT_CHECK(http.listen(std::move(options.sockets), pair, authority.cert_pem()));
    asio::co_spawn(io, keep_sweeping(), asio::detached);
    thread = std::thread([this] { run(); });
    return {};
  }

  void run() {
    auto work = asio::make_work_guard(io);
    go_before_pods();
    while (true) {
      try {
        io.run();
        return;
      } catch (const std::exception& e) {
        // One request must not end the others.
        spdlog::error("API server: {}", e.what());
      }
    }
  }

  // The event loop goes last: what runs on it refers to all the others.
  ApiServerOptions options;
  Authority authority;
  Store store;
  KindTable kinds;
  ServiceAllocator services;
  Registry registry;
  asio::io_context io{1};
  CrdLifecycle crds;
  NamespaceLifecycle namespaces;
  GarbageCollector garbage;
  Api api;
  HttpServer http;
  std::thread thread;
};

ApiServer::ApiServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

ApiServer::~ApiServer() {
  impl_->io.stop();
  if (impl_->thread.joinable()) impl_->thread.join();
}

Expected<std::unique_ptr<ApiServer>> ApiServer::start(ApiServerOptions options) {
  WEFT_TRY(auto authority, Authority::open(options.pki_dir));
  auto impl = std::make_unique<Impl>(std::move(options), std::move(authority));
  WEFT_CHECK(impl->load());
  WEFT_CHECK(impl->furnish());
  WEFT_CHECK(impl->serve());
  return std::unique_ptr<ApiServer>(new ApiServer(std::move(impl)));
}

const Authority& ApiServer::authority() const { return impl_->authority; }

Expected<kube::ClientConfig> ApiServer::client_config(const std::string& user,
                                                      const std::vector<std::string>& groups,
                                                      uint16_t port) const {
  WEFT_TRY(auto keys, impl_->authority.issue_client(user, groups));
  kube::ClientConfig out;
  out.host = "127.0.0.1";
  out.port = port;
  out.ca_pem = impl_->authority.cert_pem();
  out.cert_pem = std::move(keys.cert_pem);
  out.key_pem = std::move(keys.key_pem);
  return out;
}

Expected<Fd> listen_on(const std::string& address, uint16_t port) {
  auto ip = IpAddr::parse(address);
  if (!ip) return fail(ErrorCode::invalid, address + ": not an IP address");
  sockaddr_storage storage{};
  socklen_t length = 0;
  if (ip->is_v4()) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
    *v4 = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {}, .sin_zero = {}};
    ::inet_pton(AF_INET, address.c_str(), &v4->sin_addr);
    length = sizeof *v4;
  } else {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    ::inet_pton(AF_INET6, address.c_str(), &v6->sin6_addr);
    length = sizeof *v6;
  }
  Fd fd(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno("socket", errno);
  int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&storage), length) != 0 || ::listen(fd.get(), 1024) != 0) {
    return fail_errno(fmt::format("listen on {} port {}", address, port), errno);
  }
  return fd;
}

}  // namespace weft::standalone
