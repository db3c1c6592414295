#pragma once

#include <prometheus/metric_family.h>

#include <chrono>
#include <functional>
#include <optional>
#include <vector>

#include "base/domain_messages.h"
#include "datapath/node_edge.h"
#include "dns/link_plan.h"

namespace weft::dns {

/// The agent's part in answering pods' questions at their links: keeps the maps equal to the Services while
/// the node's DNS server says that it would answer the same. What is missing there, the server answers.
/// Not thread-safe.
class LinkAnswers {
 public:
  /// Calls its argument with each Service that there is.
  using EachService = std::function<void(const std::function<void(const kube::Service&)>&)>;
  /// `own`: the node's addresses; only a server at one of them is answered for.
  LinkAnswers(datapath::DnsMaps maps, std::vector<IpAddr> own, EachService services)
      : maps_(std::move(maps)), own_(std::move(own)), services_(std::move(services)) {}

  /// One change as an informer reports it.
  void service_changed(const kube::Service* before, const kube::Service* after);
  /// To be called each time a server says it; `nullptr`: it does not answer any more. False: it is not at
  /// this node's addresses.
  bool serving(const domain_feed::Serving* server);
  /// How many were given.
  std::vector<prometheus::MetricFamily> families() const;

 private:
  Expected<void> fill(const Name& zone);
  Expected<void> change(const std::optional<LinkRecord>& was, const std::optional<LinkRecord>& is);
  void stop();
  void give_up(const Error& why);
  weft_dns_server server_of(const domain_feed::Serving& server, const Name& zone) const;

  datapath::DnsMaps maps_;
  std::vector<IpAddr> own_;
  EachService services_;
  std::optional<Name> zone_;                         ///< of the names in the map; nothing: they are not right
  std::chrono::steady_clock::time_point fill_at_{};  ///< not before
  weft_dns_server server_{};                         ///< as in the map
  bool told_full_ = false;
};

}  // namespace weft::dns
