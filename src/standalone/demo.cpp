#include "standalone/demo.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <sstream>

namespace weft::standalone {

namespace {

using kube::string_at;
using Strings = std::set<std::string>;

/// Where the frontends are: the customers of the shop, in a namespace of their own.
const std::string kNamespace = "default";
constexpr int kRequests = 20;

std::string join(const Strings& strings) { return fmt::format("{}", fmt::join(strings, " ")); }

/// Calls `visit` on each element of the array at `path`, if there is one.
template <class Visit>
void each_at(const json::value& value, std::string_view path, Visit visit) {
  const auto* array = kube::at_path(value, path);
  if (!array || !array->is_array()) return;
  for (const auto& element : array->get_array()) visit(element);
}

Strings strings_at(const json::value& value, std::string_view path) {
  Strings out;
  each_at(value, path, [&](const json::value& element) {
    if (element.is_string()) out.emplace(std::string_view(element.get_string()));
  });
  return out;
}

/// The ready endpoints of a Service, as its EndpointSlices declare them.
struct Endpoints {
  Strings slices, addresses, pods;
};

Endpoints ready_endpoints(const json::value& slices) {
  Endpoints out;
  each_at(slices, "items", [&](const json::value& slice) {
    out.slices.emplace(string_at(slice, "metadata.name"));
    each_at(slice, "endpoints", [&](const json::value& endpoint) {
      const auto* ready = kube::at_path(endpoint, "conditions.ready");
      if (ready && ready->is_bool() && !ready->get_bool()) return;
      out.addresses.merge(strings_at(endpoint, "addresses"));
      out.pods.emplace(string_at(endpoint, "targetRef.name"));
    });
  });
  return out;
}

class Shop {
 public:
  Shop(kube::Client& client, ExecInPod exec) : client_(client), exec_(std::move(exec)) {}

  asio::awaitable<Expected<void>> find_client() {
    WEFT_CO_TRY(auto pods, co_await client_.request(
                               "GET", "/api/v1/namespaces/default/pods?labelSelector=app%3Dfrontend"));
    each_at(pods, "items", [&](const json::value& pod) { frontend_ = string_at(pod, "metadata.name"); });
    if (frontend_.empty()) co_return fail(ErrorCode::not_found, "default: no frontend pod to call from");
    co_return Expected<void>{};
  }

  asio::awaitable<Expected<Walk>> cluster_ip() {
    WEFT_CO_TRY(auto service, co_await get_service("backend"));
    WEFT_CO_TRY(auto endpoints, co_await get_endpoints("backend"));
    Walk walk{fmt::format("{} -> http://backend.shop/  (ClusterIP, {} requests)", frontend_, kRequests), {}};
    auto addresses = strings_at(service, "spec.clusterIPs");
    add(walk, "name -> address", join(addresses), resolve("backend.shop"));
    WEFT_CO_TRY(auto selected, co_await get_pod_addresses("backend"));
    add(walk, "Service -> EndpointSlice", join(selected), join(endpoints.addresses));
    Strings peers, pods;
    for (int i = 0; i < kRequests; ++i) request("http://backend.shop/", peers, pods);
    add(walk, "pods that answered", join(endpoints.pods), join(pods));
    bool service_is_peer = !peers.empty() && std::ranges::includes(addresses, peers);
    walk.hops.push_back({"peer the client sees", "the Service's address", join(peers), service_is_peer});
    co_return walk;
  }

  asio::awaitable<Expected<Walk>> headless() {
    WEFT_CO_TRY(auto endpoints, co_await get_endpoints("database"));
    Walk walk{fmt::format("{} -> http://database-N.database.shop:8080/  (headless, stable names)", frontend_),
              {}};
    add(walk, "name -> pod addresses", join(endpoints.addresses), resolve("database.shop"));
    for (const auto& pod : endpoints.pods) {
      Strings peers, pods;
      request(fmt::format("http://{}.database.shop:8080/", pod), peers, pods);
      add(walk, fmt::format("{}.database.shop", pod), pod, join(pods));
    }
    if (endpoints.pods.empty()) add(walk, "pods", "at least one", "none");
    co_return walk;
  }

  asio::awaitable<Expected<Walk>> external_name() {
    WEFT_CO_TRY(auto target, co_await get_service("backend"));
    WEFT_CO_TRY(auto endpoints, co_await get_endpoints("backend"));
    Walk walk{fmt::format("{} -> http://billing.shop/  (ExternalName of backend)", frontend_), {}};
    add(walk, "alias -> address", join(strings_at(target, "spec.clusterIPs")), resolve("billing.shop"));
    Strings peers, pods;
    request("http://billing.shop/", peers, pods);
    bool known = !pods.empty() && std::ranges::includes(endpoints.pods, pods);
    walk.hops.push_back({"pod that answered", "one of " + join(endpoints.pods), join(pods), known});
    co_return walk;
  }

 private:
  asio::awaitable<Expected<json::value>> get_service(std::string name) {
    co_return co_await client_.request("GET", "/api/v1/namespaces/shop/services/" + name);
  }

  /// The addresses of the pods that the Service's selector is meant to find.
  asio::awaitable<Expected<Strings>> get_pod_addresses(std::string app) {
    WEFT_CO_TRY(auto pods,
                co_await client_.request("GET", "/api/v1/namespaces/shop/pods?labelSelector=app%3D" + app));
    Strings out;
    each_at(pods, "items", [&](const json::value& pod) {
      each_at(pod, "status.podIPs", [&](const json::value& ip) { out.emplace(string_at(ip, "ip")); });
    });
    co_return out;
  }

  asio::awaitable<Expected<Endpoints>> get_endpoints(std::string service) {
    WEFT_CO_TRY(auto slices,
                co_await client_.request("GET",
                                         "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
                                         "?labelSelector=kubernetes.io%2Fservice-name%3D" +
                                             service));
    co_return ready_endpoints(slices);
  }

  static void add(Walk& walk, std::string what, std::string declared, std::string observed) {
    bool same = declared == observed;
    walk.hops.push_back({std::move(what), std::move(declared), std::move(observed), same});
  }

  /// The addresses the pod's own resolver gives for a name.
  std::string resolve(const std::string& name) {
    auto output = exec_(kNamespace, frontend_, {"getent", "ahosts", name});
    if (!output) return output.error().message;
    Strings addresses;
    std::istringstream lines(*output);
    for (std::string line; std::getline(lines, line);) addresses.insert(line.substr(0, line.find(' ')));
    return join(addresses);
  }

  /// One HTTP request from the pod: adds the peer the client saw and the pod that says it answered.
  void request(const std::string& url, Strings& peers, Strings& pods) {
    auto output = exec_(kNamespace, frontend_, {"curl", "-sS", "-m", "3", "-w", "\n%{remote_ip}", url});
    if (!output) {
      pods.insert(output.error().message);
      return;
    }
    auto split = output->rfind('\n');
    peers.insert(output->substr(split + 1));
    boost::system::error_code error;
    auto body = json::parse(output->substr(0, split), error);
    pods.insert(error ? "an answer that is not weft/echo's" : std::string(string_at(body, "pod")));
  }

  kube::Client& client_;
  ExecInPod exec_;
  std::string frontend_;
};

}  // namespace

bool Walk::as_declared() const {
  return !hops.empty() && std::ranges::all_of(hops, [](const Hop& hop) { return hop.as_declared; });
}

asio::awaitable<Expected<std::vector<Walk>>> walk_shop(kube::Client& client, ExecInPod exec) {
  Shop shop(client, std::move(exec));
  WEFT_CO_CHECK(co_await shop.find_client());
  std::vector<Walk> walks;
  WEFT_CO_TRY(auto cluster_ip, co_await shop.cluster_ip());
  walks.push_back(std::move(cluster_ip));
  WEFT_CO_TRY(auto headless, co_await shop.headless());
  walks.push_back(std::move(headless));
  WEFT_CO_TRY(auto external_name, co_await shop.external_name());
  walks.push_back(std::move(external_name));
  co_return walks;
}

std::string render(const std::vector<Walk>& walks) {
  std::string out;
  for (const auto& walk : walks) {
    out += fmt::format("{} {}\n", walk.as_declared() ? "ok " : "BAD", walk.title);
    for (const auto& hop : walk.hops) {
      out += fmt::format("      {} {:<26} {}\n", hop.as_declared ? "+" : "!", hop.what, hop.observed);
      if (!hop.as_declared) out += fmt::format("        {:<26} {}\n", "declared:", hop.declared);
    }
  }
  return out;
}

json::value to_json(const std::vector<Walk>& walks) {
  json::array out;
  for (const auto& walk : walks) {
    json::array hops;
    for (const auto& hop : walk.hops) {
      hops.push_back({{"hop", hop.what},
                      {"declared", hop.declared},
                      {"observed", hop.observed},
                      {"asDeclared", hop.as_declared}});
    }
    out.push_back({{"walk", walk.title}, {"hops", hops}, {"asDeclared", walk.as_declared()}});
  }
  return out;
}

}  // namespace weft::standalone
