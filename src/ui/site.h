#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/http/server.h"
#include "trace/machinery.h"
#include "trace/world.h"
#include "ui/flow_log.h"
#include "ui/gate.h"
#include "ui/map.h"

/// The web page of `weft ui`: its files, and what they ask for (docs/ui.md).
namespace weft::ui {

/// All objects there are, and what has to be known of their cluster.
struct Objects {
  std::vector<kube::YamlDocument> documents;
  trace::Machinery machinery;
  std::vector<std::string> notes;  ///< what could not be read
};

struct SiteOptions {
  std::string title;  ///< "cluster weft"
  /// Reads the objects; may take its time, and is called on one thread only, which is none of the caller's.
  std::function<Expected<Objects>()> read;
  /// Of objects that manifests are laid over.
  std::function<trace::Machinery(const std::vector<kube::YamlDocument>&)> offline;
  std::string without_flows;  ///< why there are no flows to be seen; "": there are
};

/// Answers requests that Gate has let in. Maps and traces are made on a thread of their own, so that flows go
/// on meanwhile.
class Site {
 public:
  Site(asio::io_context& io, SiteOptions options, std::shared_ptr<FlowLog> flows);
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;

  asio::awaitable<http::Answer> answer(http::Request request);
  /// Waits for what is being worked at; nothing is answered any more.
  void stop();

  // For answer() and tests; on one thread.
  http::Answer map();
  /// `body`: what docs/ui.md has.
  http::Answer trace(const std::string& body);

 private:
  /// The objects at one moment; the world points into the documents.
  struct Picture {
    std::vector<kube::YamlDocument> documents;
    std::unique_ptr<trace::World> world;
  };
  Expected<std::shared_ptr<const Picture>> picture();
  Expected<std::shared_ptr<const Picture>> read() const;
  /// The picture's map, without flows.
  const ServiceMap& declared(const std::shared_ptr<const Picture>& picture);
  /// As it would be with these manifests.
  Expected<std::shared_ptr<const Picture>> picture_with(const std::string& manifests);
  Expected<json::object> trace_of(const json::value& question);
  http::Answer flows(const http::Request& request) const;

  asio::io_context& io_;
  SiteOptions options_;
  std::shared_ptr<FlowLog> flows_;
  std::shared_ptr<const Picture> picture_;
  std::chrono::steady_clock::time_point good_until_;
  std::shared_ptr<const Picture> declared_of_;
  ServiceMap declared_;
  asio::thread_pool worker_{1};  ///< the last: it uses all others
};

/// The whole: gate, page and answers.
http::Handler handler_of(std::shared_ptr<Site> site, std::shared_ptr<const Gate> gate);

}  // namespace weft::ui
