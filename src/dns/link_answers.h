#pragma once

#include <prometheus/metric_family.h>

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
  /// To be called each time a server says it; `nullptr`: it does not answer any more.
  void serving(const domain_feed::Serving* server);
  /// How many were given.
  std::vector<prometheus::MetricFamily> families() const;

 private:
  void fill(const Name& zone);
  void put(const LinkRecord& record);
  void erase(const weft_dns_name& name);
  void tell(const weft_dns_server& server);
  weft_dns_server server_of(const domain_feed::Serving& server) const;

  datapath::DnsMaps maps_;
  std::vector<IpAddr> own_;
  EachService services_;
  std::optional<Name> zone_;  ///< of the names in the map; nothing: there are none, and none are kept
  bool full_ = false;         ///< which was said
};

}  // namespace weft::dns
