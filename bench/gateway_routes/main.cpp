// Claims: of 5,000 HTTPRoutes at a Gateway, a new one answers within 20 ms (99th percentile) of the API
// server's answer to its creation, while 100 routes a second change and requests come all the time, of which
// none fails; the proxy has under 100 MB.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <thread>

#include "../gateway_http/connect.h"
#include "../up_cluster.h"
#include "base/ip.h"
#include "kube/codec.h"
#include "kube/gateway.h"
#include "kube/gateway_routes.h"
#include "kube/pod.h"
#include "kube/service.h"

namespace {

using namespace weft;
using namespace weft::bench;
namespace json = boost::json;
using asio::awaitable;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr int kRoutes = 5'000;
constexpr int kNew = 300;
constexpr auto kBetweenChanges = 10ms;
constexpr auto kBetweenRequests = 500us;
constexpr double kLatestMs = 20;
constexpr double kMostMb = 100;
constexpr const char* kSpace = "default";

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// A kept connection to the Gateway.
class Web {
 public:
  explicit Web(const std::string& address) : fd_(connect_to(*IpAddr::parse(address), 80)) {
    if (fd_ < 0) throw std::runtime_error("the Gateway's address does not answer");
  }
  ~Web() { ::close(fd_); }
  Web(const Web&) = delete;

  /// The status of GET / at that host; 0: the connection has ended.
  int get(const std::string& host) const {
    auto request = fmt::format("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", host);
    if (::send(fd_, request.data(), request.size(), MSG_NOSIGNAL) < 0) return 0;
    std::string answer;
    char bytes[4096];
    size_t end = std::string::npos, whole = 0;
    while (end == std::string::npos || answer.size() < whole) {
      auto got = ::recv(fd_, bytes, sizeof bytes, 0);
      if (got <= 0) return 0;
      answer.append(bytes, static_cast<size_t>(got));
      if (end != std::string::npos) continue;
      end = answer.find("\r\n\r\n");
      if (end == std::string::npos) continue;
      auto length = answer.find("ontent-length: ");
      if (length == std::string::npos) length = answer.find("ontent-Length: ");
      if (length == std::string::npos) throw std::runtime_error("an answer without a length: " + answer);
      whole = end + 4 + std::stoul(answer.substr(length + 15));
    }
    return std::stoi(answer.substr(9, 3));
  }

 private:
  int fd_;
};

std::string host_of(const std::string& name) { return name + ".bench.example"; }

/// `mark`: a header that it adds, so that one route becomes another.
json::object route(const std::string& name, int mark) {
  return {
      {"metadata", {{"name", name}}},
      {"spec",
       {{"parentRefs", {{{"name", "edge"}}}},
        {"hostnames", {host_of(name)}},
        {"rules",
         {{{"filters",
            {{{"type", "RequestHeaderModifier"},
              {"requestHeaderModifier", {{"set", {{{"name", "mark"}, {"value", std::to_string(mark)}}}}}}}}},
           {"backendRefs", {{{"name", "echo"}, {"port", 80}}}}}}}}}};
}

template <class T>
awaitable<Expected<void>> create(kube::Client& client, json::object object) {
  WEFT_CO_TRY(auto created, co_await client.create(kube::resource_of<T>(), kSpace, std::move(object)));
  co_return Expected<void>{};
}

json::object parsed(const char* text) { return json::parse(text).as_object(); }

awaitable<Expected<void>> make_surroundings(kube::Client& client) {
  WEFT_CO_CHECK(co_await create<kube::Pod>(
      client, parsed(R"({"metadata":{"name":"echo","labels":{"app":"echo"}},"spec":{"containers":[
      {"name":"echo","image":"weft/echo","readinessProbe":{"httpGet":{"path":"/healthz","port":8080},"periodSeconds":1}}]}})")));
  WEFT_CO_CHECK(co_await create<kube::Service>(
      client,
      parsed(
          R"({"metadata":{"name":"echo"},"spec":{"selector":{"app":"echo"},"ports":[{"port":80,"targetPort":8080}]}})")));
  co_return co_await create<kube::Gateway>(
      client, parsed(R"({"metadata":{"name":"edge"},"spec":{"gatewayClassName":"weft","listeners":[
      {"name":"http","port":80,"protocol":"HTTP"}]}})"));
}

/// Its IPv4 address, once it has one.
awaitable<Expected<std::string>> find_address(kube::Client& client) {
  asio::steady_timer timer(client.io());
  for (int i = 0; i < 300; ++i) {
    WEFT_CO_TRY(auto object, co_await client.get(kube::resource_of<kube::Gateway>(), kSpace, "edge"));
    WEFT_CO_TRY(auto gateway, kube::decode<kube::Gateway>(object));
    for (const auto& address : gateway.status.addresses) {
      if (address.value.find(':') == std::string::npos) co_return address.value;
    }
    timer.expires_after(100ms);
    co_await timer.async_wait(asio::use_awaitable);
  }
  co_return fail(ErrorCode::timeout, "the Gateway has no address after 30 s");
}

/// Changes a route each kBetweenChanges, with a client of its own.
class Changes {
 public:
  Changes() : thread_([this](const std::stop_token& stop) { run(stop); }) {}
  int done() const { return done_; }

 private:
  void run(const std::stop_token& stop) {
    asio::io_context io(1);
    kube::Client client(io,
                        must(kube::load_kubeconfig(fmt::format("/run/weft/b{}/admin.kubeconfig", getpid()))));
    asio::co_spawn(io, change(client, stop), [](const std::exception_ptr&) {});
    io.run();
  }
  awaitable<void> change(kube::Client& client, std::stop_token stop) {
    asio::steady_timer timer(client.io());
    for (auto next = Clock::now(); !stop.stop_requested(); next += kBetweenChanges) {
      auto name = fmt::format("route-{}", done_ * 7 % kRoutes);
      json::object patch{{"spec", route(name, done_ + 1).at("spec")}};
      must(co_await client.merge_patch(kube::resource_of<kube::HTTPRoute>(), kSpace, name, std::move(patch)));
      ++done_;
      timer.expires_at(next);
      co_await timer.async_wait(asio::use_awaitable);
    }
    client.io().stop();
  }
  std::atomic<int> done_ = 0;
  std::jthread thread_;
};

/// Asks for one route after the other.
class Requests {
 public:
  explicit Requests(const std::string& address)
      : thread_([this, address](const std::stop_token& stop) {
          Web web(address);
          auto next = Clock::now();
          for (int i = 0; !stop.stop_requested() && failed_ == 0; ++i) {
            ++(web.get(host_of(fmt::format("route-{}", i * 13 % kRoutes))) == 200 ? good_ : failed_);
            next = std::max(next + kBetweenRequests, Clock::now() - kBetweenRequests);
            std::this_thread::sleep_until(next);
          }
        }) {}
  int good() const { return good_; }
  int failed() const { return failed_; }

 private:
  std::atomic<int> good_ = 0, failed_ = 0;
  std::jthread thread_;
};

void wait_for(const Web& web, const std::string& host) {
  auto start = Clock::now();
  while (web.get(host) != 200) {
    if (milliseconds_since(start) > 30'000) throw std::runtime_error(host + " does not answer after 30 s");
  }
}

int run(UpCluster& cluster) {
  must(cluster.wait(make_surroundings(cluster.client())));
  auto address = must(cluster.wait(find_address(cluster.client())));
  auto start = Clock::now();
  cluster.each(kRoutes, [&](int i) {
    return create<kube::HTTPRoute>(cluster.client(), route(fmt::format("route-{}", i), 0));
  });
  Web web(address);
  wait_for(web, host_of(fmt::format("route-{}", kRoutes - 1)));
  fmt::print("{} routes: written and served after {:.1f} s\n", kRoutes, milliseconds_since(start) / 1e3);
  fflush(stdout);
  cluster.settle({"gateway-node-1", "controller"});
  std::vector<double> times;
  Clock::time_point began = Clock::now();
  int changed = 0, good = 0, failed = 0;
  {
    Changes changes;
    Requests requests(address);
    for (int i = 0; i < kNew; ++i) {
      auto name = fmt::format("new-{}", i);
      must(cluster.wait(create<kube::HTTPRoute>(cluster.client(), route(name, 0))));
      auto written = Clock::now();
      wait_for(web, host_of(name));
      times.push_back(milliseconds_since(written));
      std::this_thread::sleep_for(20ms);
    }
    changed = changes.done();
    good = requests.good();
    failed = requests.failed();
  }
  double seconds = milliseconds_since(began) / 1e3;
  std::ranges::sort(times);
  double late = times[kNew * 99 / 100], memory = cluster.memory_mib("gateway-node-1") * 1.048576;
  bool ok = late <= kLatestMs && failed == 0 && memory < kMostMb && good > 0;
  fmt::print(
      "a new route answers after {:.1f} ms (median), {:.1f} ms (99 %, claim: {}) while {:.0f} a second "
      "change\n",
      times[kNew / 2], late, kLatestMs, changed / seconds);
  fmt::print("{} of {} requests failed (claim: none), {:.0f} a second\n", failed, good + failed,
             good / seconds);
  fmt::print("the proxy has {:.1f} MB (claim: under {}), the controller {:.1f} MB\n", memory, kMostMb,
             cluster.memory_mib("controller") * 1.048576);
  fmt::print("{}\n", ok ? "ok" : "MISSED");
  return ok ? 0 : 1;
}

}  // namespace

int main() {
  try {
    UpCluster cluster({"--nodes", "1"});
    return run(cluster);
  } catch (const std::exception& e) {
    fprintf(stderr, "bench_gateway_routes: %s\n", e.what());
    return 2;
  }
}
