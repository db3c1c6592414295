#include "standalone/apiserver/api.h"

#include <fmt/ranges.h>

#include "standalone/apimachinery/openapi.h"
#include "standalone/apiserver/body.h"
#include "standalone/apiserver/discovery.h"
#include "standalone/apiserver/pod_exec.h"
#include "standalone/apiserver/pod_log.h"
#include "standalone/apiserver/representation.h"
#include "standalone/apiserver/watch.h"

namespace weft::standalone {
namespace {

using boost::asio::awaitable;

constexpr const char* kAggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

bool is_part_of_pod(const Target& target, std::string_view subresource) {
  return target.kind->store_key() == "/pods" && target.subresource == subresource;
}

std::unexpected<ApiFailure> not_served() {
  return std::unexpected(
      ApiFailure({ErrorCode::not_found, "the server could not find the requested resource"}));
}

std::vector<ApiKind> kinds_for_documents(const KindTable& kinds) {
  std::vector<ApiKind> out;
  for (const auto& kind : kinds.all()) {
    out.push_back({kind->info, kind->schema, kind->has_status, kind->scale.has_value(), kind->custom});
  }
  return out;
}

Access access_of(const Target& target, const std::string& verb) {
  return {verb,       target.kind->info.group, target.kind->info.plural, target.subresource, target.ns,
          target.name};
}

/// nullptr when the client wants a protocol that we do not speak.
std::unique_ptr<ExecClient> exec_client(const ApiRequest& request, UpgradeRequest head, TlsStream& stream) {
  if (!is_spdy_upgrade(head)) return websocket_exec_client(std::move(head), stream);
  // One is for the status, and a terminal has one for its size instead of standard error.
  bool more = request.flag("tty") || request.flag("stderr");
  return spdy_exec_client(head, stream,
                          1 + size_t{request.flag("stdin")} + size_t{request.flag("stdout")} + size_t{more});
}

json::object user_info(const ApiRequest& request) {
  json::array groups;
  for (const auto& group : request.groups) groups.emplace_back(group);
  groups.emplace_back("system:authenticated");
  return {{"username", request.user}, {"groups", std::move(groups)}};
}

}  // namespace

ApiResponse Api::error(const Error& error) { return failure_response(error); }

ApiHandler::Kind Api::kind_of(const ApiRequest& request) {
  if (request.path.empty() || (request.path[0] != "api" && request.path[0] != "apis")) return Kind::plain;
  auto target = find_target(kinds_, request.path);
  if (!target) return Kind::plain;
  if (is_part_of_pod(*target, "exec")) return Kind::upgrade;
  if (is_part_of_pod(*target, "log") && request.method == "GET") return Kind::stream;
  return verb_of(request, *target) == "watch" ? Kind::stream : Kind::plain;
}

ApiResponse Api::handle(ApiRequest& request) {
  if (auto response = fixed(request)) return std::move(*response);
  auto response = answer(request);
  return response ? std::move(*response) : failure_response(response.error());
}

ApiResult<void> Api::authorize(const ApiRequest& request, const Target& target,
                               const std::string& verb) const {
  auto access = access_of(target, verb);
  if (may(request.groups, access)) return {};
  return std::unexpected(
      ApiFailure(forbidden_access(request.user, access),
                 {.name = target.name, .group = access.group, .kind = access.resource, .causes = {}}));
}

ApiResult<ApiResponse> Api::answer(ApiRequest& request) {
  if (request.method == "POST" && request.path.size() == 4 && request.path[3].starts_with("selfsubject")) {
    return review(request);
  }
  auto target = find_target(kinds_, request.path);
  if (!target) return not_served();
  auto verb = verb_of(request, *target);
  if (verb.empty()) {
    return fail(ErrorCode::method_not_allowed,
                "the server does not allow this method on the requested resource");
  }
  WEFT_CHECK(authorize(request, *target, verb));
  if (is_part_of_pod(*target, "exec")) {
    return fail(ErrorCode::bad_request,
                "exec needs an upgrade to WebSocket (v5.channel.k8s.io or v4.channel.k8s.io) or SPDY/3.1 "
                "(v4.channel.k8s.io)");
  }
  return resources_.handle(request, *target, verb);
}

std::optional<ApiResponse> Api::fixed(const ApiRequest& request) {
  const auto& path = request.path;
  if (request.method != "GET" && request.method != "HEAD") return std::nullopt;
  if (path.empty()) return json_response(root_paths(kinds_));
  if (path[0] == "version" && path.size() == 1) return json_response(version_info());
  if (path[0] == "healthz" || path[0] == "livez" || path[0] == "readyz") {
    return ApiResponse{.content_type = "text/plain; charset=utf-8", .body = "ok"};
  }
  if (path[0] == "openapi") return openapi(request);
  if (path[0] == "api" || path[0] == "apis") return discovery(request);
  return std::nullopt;
}

std::optional<ApiResponse> Api::discovery(const ApiRequest& request) {
  const auto& path = request.path;
  bool core = path[0] == "api";
  if (path.size() == 1) {
    if (parse_accept(request.accept).form == Accept::Form::discovery) {
      auto response = json_response(aggregated_discovery(kinds_, core));
      response.content_type = kAggregated;
      return response;
    }
    return json_response(core ? core_versions() : api_groups(kinds_));
  }
  json::value found;
  if (core && path.size() == 2) found = api_resources(kinds_, "", path[1]);
  if (!core && path.size() == 2) found = api_group(kinds_, path[1]);
  if (!core && path.size() == 3) found = api_resources(kinds_, path[1], path[2]);
  if (found.is_null()) return std::nullopt;
  return json_response(found);
}

std::optional<ApiResponse> Api::openapi(const ApiRequest& request) {
  const auto& path = request.path;
  if (path.size() < 2) return std::nullopt;
  if (path[1] == "v2" && path.size() == 2 && request.accept.starts_with(kOpenApiV2Accept))
    return ApiResponse{.content_type = kOpenApiV2Type, .body = openapi_v2_protobuf()};
  if (documents_of_ != kinds_.generation()) documents_.clear();
  documents_of_ = kinds_.generation();
  auto key = fmt::format("{}", fmt::join(path, "/"));
  auto& text = documents_[key];
  if (text.empty()) {
    auto kinds = kinds_for_documents(kinds_);
    if (path[1] == "v2" && path.size() == 2) text = json::serialize(openapi_v2(kinds));
    if (path[1] == "v3" && path.size() == 2) text = json::serialize(openapi_v3_index(kinds));
    bool known = path.size() == 4 ? path[2] == "api" && path[3] == "v1"
                                  : path.size() == 5 && path[2] == "apis" &&
                                        !api_resources(kinds_, path[3], path[4]).is_null();
    if (path[1] == "v3" && known) {
      text = json::serialize(path.size() == 4 ? openapi_v3(kinds, "", "v1")
                                              : openapi_v3(kinds, path[3], path[4]));
    }
  }
  if (text.empty()) {
    documents_.erase(key);
    return std::nullopt;
  }
  return ApiResponse{.body = text};
}

ApiResult<ApiResponse> Api::review(const ApiRequest& request) {
  WEFT_TRY(auto body, parse_body(request, media_type(request)));
  if (!body.is_object()) return fail(ErrorCode::bad_request, "the body of the request is no object");
  if (request.path[1] == "authentication.k8s.io" && request.path[3] == "selfsubjectreviews") {
    body.get_object()["status"] = {{"userInfo", user_info(request)}};
    return json_response(body, 201);
  }
  if (request.path[1] != "authorization.k8s.io" || request.path[3] != "selfsubjectaccessreviews")
    return not_served();
  auto text = [&](const char* key) {
    return std::string(kube::string_at(body, std::string("spec.resourceAttributes.") + key));
  };
  Access access{text("verb"),        text("group"),     text("resource"),
                text("subresource"), text("namespace"), text("name")};
  bool question = kube::at_path(body, "spec.resourceAttributes") != nullptr;
  body.get_object()["status"] = {{"allowed", !question || may(request.groups, access)}};
  return json_response(body, 201);
}

awaitable<void> Api::stream(ApiRequest request, BodyStream& body, std::optional<ApiResponse>& refusal) {
  auto target = find_target(kinds_, request.path);
  if (auto allowed = authorize(request, *target, is_part_of_pod(*target, "log") ? "get" : "watch");
      !allowed) {
    refusal = failure_response(allowed.error());
    co_return;
  }
  if (is_part_of_pod(*target, "log")) {
    if (!pods_) {
      refusal = failure_response(Error{ErrorCode::unavailable, "this server has no nodes to read logs from"});
      co_return;
    }
    co_await serve_pod_log(io_, store_, *pods_, request, *target, body, refusal);
    co_return;
  }
  if (!target->name.empty()) {
    refusal = failure_response(Error{ErrorCode::method_not_allowed,
                                     "a watch is of a collection; use fieldSelector=metadata.name=NAME"});
    co_return;
  }
  auto watch = WatchRequest::parse(target->kind, target->ns, request, store_);
  if (!watch) {
    refusal = failure_response(watch.error());
    co_return;
  }
  co_await serve_watch(io_, store_, std::move(*watch), body);
}

ApiResult<ExecProcess> Api::start_exec(const ApiRequest& request, const Target& target) {
  WEFT_CHECK(authorize(request, target, "create"));
  auto pod = store_.get("/pods", target.ns, target.name);
  if (!pod)
    return std::unexpected(object_failure(ErrorCode::not_found, *target.kind, target.name, "not found"));
  WEFT_TRY(auto container, choose_container(pod->value, request.param("container")));
  if (!pods_) return fail(ErrorCode::unavailable, "this server has no nodes to run commands on");
  WEFT_TRY(auto process, pods_->exec({.ns = target.ns,
                                      .pod = target.name,
                                      .container = container,
                                      .command = request.commands,
                                      .with_stdin = request.flag("stdin"),
                                      .tty = request.flag("tty")}));
  return process;
}

awaitable<void> Api::upgrade(ApiRequest request,
                             boost::beast::http::request<boost::beast::http::string_body> head,
                             TlsStream& stream) {
  auto target = find_target(kinds_, request.path);
  bool tty = request.flag("tty");
  auto client = exec_client(request, std::move(head), stream);
  ApiResult<ExecProcess> process =
      client ? start_exec(request, *target)
             : ApiResult<ExecProcess>(
                   std::unexpected(ApiFailure({ErrorCode::bad_request,
                                               "exec is served over WebSocket with v5.channel.k8s.io or "
                                               "v4.channel.k8s.io, and over SPDY/3.1 "
                                               "with v4.channel.k8s.io; the request offers none of these"})));
  if (process) {
    co_await serve_exec(io_, std::move(*process), tty, *client);
    co_return;
  }
  co_await send_response(stream, failure_response(process.error()), false);
}

}  // namespace weft::standalone
