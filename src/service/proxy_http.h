#pragma once

#include <prometheus/metric_family.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/http/server.h"
#include "kube/client/client.h"
#include "kube/node.h"
#include "service/edge_engine.h"
#include "service/engine.h"

namespace weft::service {

/// All that a node's Service proxy serves over HTTP: Services' health check ports, /healthz and /livez, and
/// /metrics. A port that is taken is tried again; nothing waits for it. All on the client's io_context, in
/// the network namespace of its thread.
class ProxyHttp {
 public:
  struct Options {
    std::string node;
    std::string bpf_dir;                            ///< whose maps' fill is told
    std::optional<http::Address> healthz, metrics;  ///< nothing: not served
  };
  /// Becomes the engine's observer; both must outlive this. Events about ports go to `client`.
  ProxyHttp(kube::Client& client, ServiceEngine& engine, Options options);
  ~ProxyHttp();
  ProxyHttp(const ProxyHttp&) = delete;
  ProxyHttp& operator=(const ProxyHttp&) = delete;

  /// Where node ports are offered, and so health check ports too.
  void set_addresses(std::vector<IpAddr> addresses);
  /// Its counters are told from now on; must outlive this.
  void set_edge(const NodeEdgeEngine& edge);
  /// What other parts of the node's agent have to tell in /metrics; asked at each scrape.
  void add_families(std::function<std::vector<prometheus::MetricFamily>()> families);
  /// A page of theirs beside /metrics, by its path; the answer to each request for it.
  void add_page(std::string path, std::function<http::Answer(const http::Request&)> page);

  /// As kube::Informer reports changes, after the engine has them.
  void service_changed();
  void slice_changed(const SlicePtr& before, const SlicePtr& after);
  /// Other nodes than this one are passed over.
  void node_changed(const std::shared_ptr<const kube::Node>& before,
                    const std::shared_ptr<const kube::Node>& after);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace weft::service
