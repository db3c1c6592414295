#pragma once

#include <boost/asio/io_context.hpp>

#include "standalone/apiserver/authorizer.h"
#include "standalone/apiserver/http_server.h"
#include "standalone/apiserver/pod_runtime.h"
#include "standalone/apiserver/resource_handler.h"

namespace weft::standalone {

/// The front of the API: who may ask, where a path leads, and the paths that are not about objects
/// (discovery, OpenAPI, health, version, questions about oneself).
class Api : public ApiHandler {
 public:
  /// `pods` may be null: then nothing can be run in pods or read of their logs.
  Api(asio::io_context& io, Store& store, const KindTable& kinds, Registry& registry, PodRuntime* pods)
      : io_(io), store_(store), kinds_(kinds), resources_(store, registry), pods_(pods) {}

  Kind kind_of(const ApiRequest& request) override;
  ApiResponse handle(ApiRequest& request) override;
  asio::awaitable<void> stream(ApiRequest request, BodyStream& body,
                               std::optional<ApiResponse>& refusal) override;
  asio::awaitable<void> upgrade(ApiRequest request,
                                boost::beast::http::request<boost::beast::http::string_body> head,
                                TlsStream& stream) override;
  ApiResponse error(const Error& error) override;

 private:
  ApiResult<ApiResponse> answer(ApiRequest& request);
  std::optional<ApiResponse> fixed(const ApiRequest& request);
  std::optional<ApiResponse> discovery(const ApiRequest& request);
  std::optional<ApiResponse> openapi(const ApiRequest& request);
  ApiResult<ApiResponse> review(const ApiRequest& request);
  ApiResult<void> authorize(const ApiRequest& request, const Target& target, const std::string& verb) const;
  ApiResult<ExecProcess> start_exec(const ApiRequest& request, const Target& target);

  asio::io_context& io_;
  Store& store_;
  const KindTable& kinds_;
  ResourceHandler resources_;
  PodRuntime* pods_;
  /// OpenAPI documents by path, for one generation of the kinds.
  std::map<std::string, std::string> documents_;
  uint64_t documents_of_ = 0;
};

}  // namespace weft::standalone
