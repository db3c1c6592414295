#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "kube/client/kubeconfig.h"
#include "kube/codec.h"
#include "kube/json.h"
#include "kube/resource.h"

namespace weft {
namespace asio = boost::asio;
}

namespace weft::kube {

/// One event of a watch.
struct WatchEvent {
  enum class Type { added, modified, deleted, bookmark, error };
  Type type;
  json::value object;  ///< a Status for `error`
};

/// Talks to one kube-apiserver over HTTP/1.1 with kept-alive connections; each watch has a connection of its
/// own. Not thread-safe: use it on the io_context it was made for. Errors carry the Status reason as
/// ErrorCode and the Status message; a failed connection is ErrorCode::unavailable.
class Client {
 public:
  Client(asio::io_context& io, ClientConfig config);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Any request: `path` with its query, already escaped. Status >= 400 comes back as an Error.
  asio::awaitable<Expected<json::value>> request(std::string method, std::string path,
                                                 json::value body = nullptr,
                                                 std::string content_type = "application/json");

  asio::awaitable<Expected<json::value>> get(const ResourceInfo& r, std::string ns, std::string name);
  asio::awaitable<Expected<json::value>> create(const ResourceInfo& r, std::string ns, json::object object);
  /// PUT; `subresource` is "" or "status".
  asio::awaitable<Expected<json::value>> update(const ResourceInfo& r, std::string ns, std::string name,
                                                json::object object, std::string subresource = {});
  /// PATCH with application/merge-patch+json.
  asio::awaitable<Expected<json::value>> merge_patch(const ResourceInfo& r, std::string ns, std::string name,
                                                     json::value patch, std::string subresource = {});
  /// PATCH with application/apply-patch+yaml, force.
  asio::awaitable<Expected<json::value>> apply(const ResourceInfo& r, std::string ns, std::string name,
                                               json::value object, std::string field_manager);
  /// `options`: a DeleteOptions object or null.
  asio::awaitable<Expected<json::value>> remove(const ResourceInfo& r, std::string ns, std::string name,
                                                json::value options = nullptr);
  /// GET of a collection, whole (pages are followed); `query` like "labelSelector=a%3Db".
  asio::awaitable<Expected<json::value>> list(const ResourceInfo& r, std::string ns, std::string query = {});

  /// One page of a collection; `continue_token` is the metadata.continue of the page before, "" for the
  /// first. The answer's `items` is an array. ErrorCode::gone: the token is too old, begin again.
  asio::awaitable<Expected<json::value>> list_page(const ResourceInfo& r, std::string ns, std::string query,
                                                   std::string continue_token);

  /// Watches until the server ends it, the connection breaks or `on_event` returns false. The result says why
  /// it ended.
  asio::awaitable<Expected<void>> watch(const ResourceInfo& r, std::string ns, std::string query,
                                        std::function<bool(WatchEvent)> on_event);

  /// The io_context it runs on.
  asio::io_context& io();
  const ClientConfig& config() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::kube
