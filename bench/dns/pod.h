#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>
#include <thread>

#include "../edge_node.h"
#include "dns/link_answers.h"
#include "policy/domain_server.h"

namespace weft::bench {

/// A node, which is the World's namespace, with a pod that asks DNS servers there, and what its agent does so
/// that the pod's link answers: on a thread of its own.
class DnsPod {
 public:
  static constexpr const char* kNode = "172.30.0.2";

  /// Knows the Services of MadeUpApi.
  DnsPod(const World& world, const std::string& folder, int services);
  ~DnsPod();

  int netns() const { return pod_.get(); }
  /// For the DNS server, to tell the agent that it answers.
  const std::string& socket() const { return socket_; }
  /// That the link has given.
  uint64_t answers() const;

 private:
  void every_service(const std::function<void(const kube::Service&)>& each) const;

  const int services_;
  std::string socket_;
  EdgeNode node_;
  Fd pod_;
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
  std::unique_ptr<dns::LinkAnswers> answers_;
  std::unique_ptr<policy::DomainServer> server_;
  std::thread thread_;
};

}  // namespace weft::bench
