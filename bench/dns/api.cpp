#include "api.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace weft::bench {

namespace asio = boost::asio;
using kube::test::Exchange;

namespace {

constexpr const char* kServices = "/api/v1/services";
constexpr const char* kNamespaces = "/api/v1/namespaces";

std::string parameter(const std::string& target, const std::string& name) {
  auto at = target.find(name + "=");
  if (at == std::string::npos) return {};
  auto value = target.substr(at + name.size() + 1);
  return value.substr(0, value.find('&'));
}

std::string endpoint(int n, const std::string& address) {
  return fmt::format(
      R"({{"addresses":["{0}"],"conditions":{{"ready":true,"serving":true,"terminating":false}},"nodeName":"node-{1}","targetRef":{{"kind":"Pod","name":"pod-{2:06}-7c9d8b6f5d-x2x{1}z","namespace":"default","uid":"0f0e0d0c-1111-2222-3333-{2:012}"}},"zone":"zone-a"}})",
      address, n % 1000, n);
}

}  // namespace

std::string MadeUpApi::name_of(int n) { return fmt::format("service-{:06}", n); }

std::string MadeUpApi::address_of(int n) {
  return fmt::format("10.{}.{}.{}", 96 + n / 65536, n / 256 % 256, n % 256);
}

MadeUpApi::MadeUpApi(int services) : services_(services) {
  fixture_.serve([this](Exchange& x) { return handle(x); });
  thread_ = std::thread([this] {
    auto guard = asio::make_work_guard(fixture_.io);
    fixture_.io.run();
  });
}

MadeUpApi::~MadeUpApi() {
  fixture_.io.stop();
  thread_.join();
}

std::string MadeUpApi::kubeconfig() const { return kube::write_kubeconfig(fixture_.config(), "bench"); }

std::string MadeUpApi::item(const std::string& path, int n) const {
  const std::string name = name_of(n);
  if (path == kServices) {
    return fmt::format(
        R"({{"metadata":{{"name":"{0}","namespace":"default","uid":"0f0e0d0c-aaaa-bbbb-cccc-{1:012}","resourceVersion":"{2}","creationTimestamp":"2026-01-01T00:00:00Z","labels":{{"app":"{0}"}},"annotations":{{"owner":"team-{3}"}}}},"spec":{{"type":"ClusterIP","clusterIP":"{4}","clusterIPs":["{4}"],"ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack","sessionAffinity":"None","internalTrafficPolicy":"Cluster","selector":{{"app":"{0}"}},"ports":[{{"name":"http","protocol":"TCP","port":80,"targetPort":8080}}]}},"status":{{"loadBalancer":{{}}}}}})",
        name, n, 1000 + n, n % 100, n == 0 ? "None" : address_of(n));
  }
  const std::string first = n == 0 ? fmt::format("10.255.{}.{}", moved_ / 256, moved_ % 256)
                                   : fmt::format("172.{}.{}.{}", 16 + n / 65536, n / 256 % 256, n % 256);
  const std::string second = fmt::format("172.{}.{}.{}", 32 + n / 65536, n / 256 % 256, n % 256);
  return fmt::format(
      R"({{"metadata":{{"name":"{0}-abcde","namespace":"default","uid":"0f0e0d0c-dddd-eeee-ffff-{1:012}","resourceVersion":"{2}","generation":3,"creationTimestamp":"2026-01-01T00:00:00Z","labels":{{"app":"{0}","endpointslice.kubernetes.io/managed-by":"endpointslice-controller.k8s.io","kubernetes.io/service-name":"{0}"}},"ownerReferences":[{{"apiVersion":"v1","kind":"Service","name":"{0}","uid":"0f0e0d0c-aaaa-bbbb-cccc-{1:012}","controller":true,"blockOwnerDeletion":true}}]}},"addressType":"IPv4","endpoints":[{3},{4}],"ports":[{{"name":"http","protocol":"TCP","port":8080}}]}})",
      name, n, n == 0 ? version_ : 1000 + n, endpoint(n, first), endpoint(n + 1, second));
}

asio::awaitable<void> MadeUpApi::handle(Exchange& x) {
  const auto path = x.target.substr(0, x.target.find('?'));
  const bool slices = path.ends_with("/endpointslices");
  if (!slices && path != kServices && path != kNamespaces)
    co_return (void) co_await x.answer(404, R"({"kind":"Status","reason":"NotFound","code":404})");
  if (!x.is_watch()) co_return co_await list(x, path);
  // A client that wants the first list as events is told to list.
  if (x.target.find("sendInitialEvents") != std::string::npos)
    co_return (void) co_await x.answer(
        422,
        R"({"kind":"Status","status":"Failure","reason":"Invalid","message":"sendInitialEvents","code":422})");
  if (std::stoll("0" + parameter(x.target, "resourceVersion")) < oldest_)
    co_return (void) co_await x.answer(
        410, R"({"kind":"Status","status":"Failure","reason":"Expired","code":410})");
  co_await watch(x, slices);
}

asio::awaitable<void> MadeUpApi::list(Exchange& x, const std::string& path) {
  const auto limit_text = parameter(x.target, "limit"), from_text = parameter(x.target, "continue");
  const int all = path == kNamespaces ? 1 : services_;
  const int from = from_text.empty() ? 0 : std::stoi(from_text);
  const int limit = limit_text.empty() ? all : std::stoi(limit_text);
  const int to = std::min(all, from + limit);
  const bool slices = path.ends_with("/endpointslices");
  const char* kind = path == kServices ? "ServiceList" : slices ? "EndpointSliceList" : "NamespaceList";
  std::string body =
      fmt::format(R"({{"kind":"{}","apiVersion":"{}","metadata":{{"resourceVersion":"{}"{}}},"items":[)",
                  kind, slices ? "discovery.k8s.io/v1" : "v1", version_,
                  to < all ? fmt::format(R"(,"continue":"{}")", to) : "");
  for (int n = from; n < to; ++n) {
    if (n > from) body += ',';
    body += path == kNamespaces ? R"({"metadata":{"name":"default","resourceVersion":"1"}})" : item(path, n);
  }
  body += "]}";
  if (to == all) ++lists_;
  co_await x.answer(200, std::move(body), "Content-Type: application/json\r\n");
}

asio::awaitable<void> MadeUpApi::watch(Exchange& x, bool slices) {
  const int epoch = epoch_;
  size_t seen = events_.size();
  if (!co_await x.start_stream()) co_return;
  while (epoch == epoch_) {
    std::string text;
    if (slices) {
      for (; seen < events_.size(); ++seen) text += events_[seen];
    }
    if (!text.empty() && !co_await x.chunk(std::move(text))) co_return;
    if (slices && seen < events_.size()) continue;
    asio::steady_timer timer(fixture_.io, std::chrono::minutes(5));
    auto place = waiting_.insert(waiting_.end(), &timer);
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    waiting_.erase(place);
  }
  x.close = true;
}

void MadeUpApi::wake() {
  for (auto* timer : waiting_) timer->cancel();
}

void MadeUpApi::move_endpoint(int n) {
  asio::post(fixture_.io, [this, n] {
    moved_ = n;
    ++version_;
    events_.push_back(fmt::format("{{\"type\":\"MODIFIED\",\"object\":{}}}\n",
                                  R"({"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1",)" +
                                      item("/endpointslices", 0).substr(1)));
    wake();
  });
}

void MadeUpApi::forget() {
  asio::post(fixture_.io, [this] {
    oldest_ = ++version_;
    ++epoch_;
    wake();
  });
}

}  // namespace weft::bench
