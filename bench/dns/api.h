#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <list>
#include <string>
#include <thread>
#include <vector>

#include "kube/client/testing/scripted_server.h"

namespace weft::bench {

/// What a DNS server reads of a large cluster, from an API server that makes it up as it is asked: Services
/// `service-NNNNNN` in one namespace, each with an EndpointSlice of two endpoints. Service 0 is headless: its
/// first endpoint's address can be changed. On a thread of its own.
class MadeUpApi {
 public:
  static constexpr const char* kNamespace = "default";

  explicit MadeUpApi(int services);
  ~MadeUpApi();

  std::string kubeconfig() const;
  int services() const { return services_; }
  /// Service 0's first endpoint moves to 10.255.0.0 + `n`; watches are told.
  void move_endpoint(int n);
  /// All watches end, and those that go on get 410: everything is listed again.
  void forget();
  /// Lists that were answered to their end.
  int lists() const { return lists_; }

  static std::string name_of(int n);
  static std::string address_of(int n);

 private:
  boost::asio::awaitable<void> handle(kube::test::Exchange& x);
  boost::asio::awaitable<void> list(kube::test::Exchange& x, const std::string& path);
  boost::asio::awaitable<void> watch(kube::test::Exchange& x, bool slices);
  std::string item(const std::string& path, int n) const;
  void wake();

  kube::test::Fixture fixture_;
  const int services_;
  int64_t version_ = 1'000'000;  ///< of the whole
  int64_t oldest_ = 0;           ///< a watch from before it is 410
  int epoch_ = 0;                ///< of watches
  int moved_ = 0;
  std::vector<std::string> events_;  ///< of EndpointSlices
  std::list<boost::asio::steady_timer*> waiting_;
  std::atomic<int> lists_ = 0;
  std::thread thread_;
};

}  // namespace weft::bench
