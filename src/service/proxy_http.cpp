#include "service/proxy_http.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <iterator>
#include <map>
#include <utility>

#include "base/log.h"
#include "datapath/map_fill.h"
#include "kube/client/events.h"
#include "service/health_ports.h"
#include "service/metrics.h"
#include "service/proxy_health.h"

namespace weft::service {
namespace {

using asio::awaitable;
using datapath::MapFill;
using std::chrono::steady_clock;

constexpr std::chrono::seconds kRetry{5};
/// However many ask at once, the maps are not counted more often.
constexpr std::chrono::seconds kCountAgain{1};

http::Answer to_http(ProxyHealth::Answer answer) {
  return {.status = answer.ok ? 200U : 503U,
          .content_type = "application/json",
          .headers = {{"X-Content-Type-Options", "nosniff"}},
          .body = std::move(answer.body)};
}

http::Answer not_found() { return {.status = 404, .headers = {}, .body = "404 page not found\n"}; }

/// Counts entries of maps on a thread of its own: with half a million connections that takes long enough to
/// be felt on the agent's.
class MapCounter {
 public:
  explicit MapCounter(std::string bpf_dir) : bpf_dir_(std::move(bpf_dir)) {}
  awaitable<std::vector<MapFill>> count() {
    return asio::co_spawn(
        worker_, [this]() -> awaitable<std::vector<MapFill>> { co_return counted(); }, asio::use_awaitable);
  }
  /// Waits for who counts: afterwards nothing comes from there.
  void end() { worker_.join(); }

 private:
  std::vector<MapFill> counted() {
    auto now = steady_clock::now();
    if (!last_.empty() && now - when_ < kCountAgain) return last_;
    if (auto fill = datapath::read_map_fill(bpf_dir_)) last_ = std::move(*fill);
    when_ = now;
    return last_;
  }

  std::string bpf_dir_;
  std::vector<MapFill> last_;  ///< of the worker, as `when_`
  steady_clock::time_point when_;
  asio::thread_pool worker_{1};
};

}  // namespace

struct ProxyHttp::Impl : std::enable_shared_from_this<ProxyHttp::Impl> {
  Impl(kube::Client& client, ServiceEngine& e, Options o)
      : engine(e),
        options(std::move(o)),
        server(client.io()),
        events(client, "weft-agent", options.node),
        metrics(kube::now_point()),
        maps(options.bpf_dir),
        ports(server, client.io(),
              {.node = options.node,
               .healthy = [this] { return health.healthy(Moment::now()); },
               .complain = [this](const auto& service, const auto& message) { complain(service, message); }}),
        retry(client.io()) {}

  void start();
  void listen();
  void complain(const kube::Service& service, const std::string& message);
  http::Answer answer_health(const http::Request& request);
  static awaitable<http::Answer> scrape(std::shared_ptr<Impl> self, http::Request request);

  ServiceEngine& engine;
  Options options;
  http::Server server;
  kube::EventRecorder events;
  ProxyHealth health;
  Metrics metrics;
  MapCounter maps;
  HealthPorts ports;
  const NodeEdgeEngine* edge = nullptr;
  std::vector<std::function<std::vector<prometheus::MetricFamily>()>> families;
  std::map<std::string, std::function<http::Answer(const http::Request&)>> pages;
  std::unique_ptr<http::Server::Listener> healthz_listener, metrics_listener;
  asio::steady_timer retry;
};

void ProxyHttp::Impl::start() {
  engine.observe({.service = [this](const auto& key, const auto& service,
                                    auto slices) { ports.service_changed(key, service, slices); },
                  .round =
                      [this](auto took, bool complete) {
                        auto now = Moment::now();
                        complete ? health.programmed(now) : health.pending(now);
                        metrics.round(took, complete, now.wall);
                      }});
  listen();
}

/// Opens what is not open yet.
void ProxyHttp::Impl::listen() {
  bool all = true;
  auto open = [&](const std::optional<http::Address>& address, auto& listener, http::Handler handler) {
    if (!address || listener) return;
    auto opened = server.listen(*address, std::move(handler));
    if (opened) {
      listener = std::move(*opened);
    } else {
      spdlog::warn("{}; trying again", opened.error().message);
      all = false;
    }
  };
  open(options.healthz, healthz_listener,
       http::answer_with([this](const http::Request& request) { return answer_health(request); }));
  open(options.metrics, metrics_listener,
       [weak = weak_from_this()](http::Request request) -> awaitable<http::Answer> {
         auto self = weak.lock();
         if (!self) co_return not_found();
         co_return co_await scrape(std::move(self), std::move(request));
       });
  if (all) return;
  retry.expires_after(kRetry);
  retry.async_wait([this](boost::system::error_code error) {
    if (!error) listen();
  });
}

void ProxyHttp::Impl::complain(const kube::Service& service, const std::string& message) {
  events.record(kube::reference_to(kube::resource_of<kube::Service>(), service.metadata),
                kube::EventRecorder::Type::warning, "FailedToStartServiceHealthcheck", message);
}

http::Answer ProxyHttp::Impl::answer_health(const http::Request& request) {
  if (request.path == "/healthz") {
    auto answer = health.healthz(Moment::now());
    metrics.healthz_answered(answer.ok);
    return to_http(std::move(answer));
  }
  if (request.path == "/livez") {
    auto answer = health.livez(Moment::now());
    metrics.livez_answered(answer.ok);
    return to_http(std::move(answer));
  }
  return not_found();
}

awaitable<http::Answer> ProxyHttp::Impl::scrape(std::shared_ptr<Impl> self, http::Request request) {
  if (auto page = self->pages.find(request.path); page != self->pages.end()) co_return page->second(request);
  if (request.path != "/metrics") co_return not_found();
  Metrics::Readings readings{
      .services = self->engine.stats(), .maps = co_await self->maps.count(), .edge = {}, .others = {}};
  for (const auto& families : self->families)
    std::ranges::move(families(), std::back_inserter(readings.others));
  std::vector<uint64_t> counters;
  if (auto read = self->edge ? self->edge->edge().counters() : fail(ErrorCode::not_found, "no edge yet")) {
    counters.assign(read->begin(), read->end());
    readings.edge = counters;
  }
  co_return http::Answer{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                         .headers = {},
                         .body = self->metrics.text(readings)};
}

ProxyHttp::ProxyHttp(kube::Client& client, ServiceEngine& engine, Options options)
    : impl_(std::make_shared<Impl>(client, engine, std::move(options))) {
  impl_->start();
}

ProxyHttp::~ProxyHttp() {
  impl_->engine.observe({});
  impl_->healthz_listener.reset();
  impl_->metrics_listener.reset();
  impl_->retry.cancel();
  // A scrape keeps what it uses, but its io_context may go next.
  impl_->maps.end();
}

void ProxyHttp::set_addresses(std::vector<IpAddr> addresses) {
  impl_->ports.set_addresses(std::move(addresses));
}
void ProxyHttp::set_edge(const NodeEdgeEngine& edge) { impl_->edge = &edge; }
void ProxyHttp::add_families(std::function<std::vector<prometheus::MetricFamily>()> families) {
  impl_->families.push_back(std::move(families));
}
void ProxyHttp::add_page(std::string path, std::function<http::Answer(const http::Request&)> page) {
  impl_->pages[std::move(path)] = std::move(page);
}
void ProxyHttp::service_changed() { impl_->metrics.service_changed(); }

void ProxyHttp::slice_changed(const SlicePtr& before, const SlicePtr& after) {
  impl_->metrics.slice_programmed(before, after, kube::now_point());
}

void ProxyHttp::node_changed(const std::shared_ptr<const kube::Node>& before,
                             const std::shared_ptr<const kube::Node>& after) {
  const auto& node = after ? after : before;
  if (node && node->metadata.name == impl_->options.node) impl_->health.node_changed(after.get());
}

}  // namespace weft::service
