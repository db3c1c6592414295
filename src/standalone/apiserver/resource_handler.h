#pragma once

#include "standalone/apiserver/http_server.h"
#include "standalone/apiserver/registry.h"
#include "standalone/apiserver/selection.h"
#include "standalone/apiserver/target.h"

namespace weft::standalone {

/// The verbs on objects: what a request for a kind's collection, object, status or scale means and how it is
/// answered. Watches are in watch.h, pods' own subresources in pod_*.h.
class ResourceHandler {
 public:
  ResourceHandler(Store& store, Registry& registry) : store_(store), registry_(registry) {}

  /// `verb` as verb_of gives it.
  ApiResult<ApiResponse> handle(const ApiRequest& request, const Target& target, const std::string& verb);

 private:
  ApiResult<ApiResponse> get(const ApiRequest& request, const Target& target);
  ApiResult<ApiResponse> list(const ApiRequest& request, const Target& target);
  ApiResult<ApiResponse> create(const ApiRequest& request, const Target& target);
  ApiResult<ApiResponse> update(const ApiRequest& request, const Target& target);
  ApiResult<ApiResponse> patch(const ApiRequest& request, const Target& target);
  ApiResult<ApiResponse> remove(const ApiRequest& request, const Target& target);
  ApiResult<ApiResponse> remove_collection(const ApiRequest& request, const Target& target);
  ApiResult<ApiResponse> scale(const ApiRequest& request, const Target& target, const std::string& verb);
  ApiResult<ApiResponse> bind(const ApiRequest& request, const Target& target);
  ApiResult<ApiResponse> evict(const ApiRequest& request, const Target& target);
  ApiResult<ApiResponse> finalize(const ApiRequest& request, const Target& target);

  Store& store_;
  Registry& registry_;
};

/// Fields of the write that come from the request: manager, dry run.
ApiResult<Write> write_of(const ApiRequest& request, const Target& target);

/// `Warning: 299 - "…"` headers.
void add_warnings(ApiResponse& response, const std::vector<std::string>& warnings);

}  // namespace weft::standalone
