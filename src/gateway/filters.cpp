#include "gateway/filters.h"
#include "base/text.h"

#include <fmt/core.h>

#include <algorithm>

namespace weft::gateway {
namespace {

void add_edit(const kube::HTTPHeaderFilter& filter, HeaderEdit& out) {
  for (const auto& header : filter.set) out.set.emplace_back(lower(header.name), header.value);
  for (const auto& header : filter.add) out.add.emplace_back(lower(header.name), header.value);
  for (const auto& name : filter.remove) out.remove.push_back(lower(name));
}

std::optional<PathEdit> path_edit(const std::optional<kube::HTTPPathModifier>& path) {
  if (!path) return {};
  bool prefix = path->type == "ReplacePrefixMatch";
  return PathEdit{prefix, (prefix ? path->replacePrefixMatch : path->replaceFullPath).value_or("")};
}

Redirect redirect(const kube::HTTPRequestRedirectFilter& filter) {
  Redirect out;
  out.scheme = filter.scheme;
  out.hostname = filter.hostname;
  out.path = path_edit(filter.path);
  if (filter.port) out.port = static_cast<uint16_t>(*filter.port);
  out.status = static_cast<uint16_t>(filter.statusCode.value_or(302));
  return out;
}

void add_mirror(Compiling& at, const kube::HTTPRequestMirrorFilter& filter, Filters& out) {
  Mirror mirror;
  mirror.backend = compile_backend(at, filter.backendRef);
  if (mirror.backend.empty()) return;
  if (filter.percent) {
    mirror.numerator = static_cast<uint32_t>(std::max(*filter.percent, 0));
    mirror.denominator = 100;
  } else if (filter.fraction) {
    mirror.numerator = static_cast<uint32_t>(std::max(filter.fraction->numerator, 0));
    mirror.denominator = static_cast<uint32_t>(std::max(filter.fraction->denominator.value_or(100), 1));
  }
  out.mirrors.push_back(std::move(mirror));
}

Cors cors(const kube::HTTPCORSFilter& filter) {
  Cors out;
  out.allow_origins = filter.allowOrigins;
  out.allow_credentials = filter.allowCredentials.value_or(false);
  out.allow_methods = filter.allowMethods;
  for (const auto& name : filter.allowHeaders) out.allow_headers.push_back(lower(name));
  for (const auto& name : filter.exposeHeaders) out.expose_headers.push_back(lower(name));
  out.max_age_seconds = static_cast<uint32_t>(std::max(filter.maxAge.value_or(5), 0));
  return out;
}

/// Filters that HTTP and gRPC have in common; false: it is none of them.
template <class Filter>
bool add_common(Compiling& at, const Filter& filter, Filters& out) {
  if (filter.type == "RequestHeaderModifier" && filter.requestHeaderModifier) {
    add_edit(*filter.requestHeaderModifier, out.request);
  } else if (filter.type == "ResponseHeaderModifier" && filter.responseHeaderModifier) {
    add_edit(*filter.responseHeaderModifier, out.response);
  } else if (filter.type == "RequestMirror" && filter.requestMirror) {
    add_mirror(at, *filter.requestMirror, out);
  } else {
    return false;
  }
  return true;
}

}  // namespace

std::string compile_backend(Compiling& at, const kube::BackendObjectReference& ref) {
  auto target = resolve_backend(at.look, at.from, ref, at.use, at.gateway);
  if (target.problem && !at.out.unresolved) at.out.unresolved = std::move(target.problem);
  if (!target.id) return {};
  auto key = target.id->key();
  at.out.backends.emplace(key, std::move(*target.id));
  return key;
}

std::string add_filter(Compiling& at, const kube::HTTPRouteFilter& filter, Filters& out) {
  if (add_common(at, filter, out)) return {};
  if (filter.type == "RequestRedirect" && filter.requestRedirect) {
    out.redirect = redirect(*filter.requestRedirect);
  } else if (filter.type == "URLRewrite" && filter.urlRewrite) {
    out.rewrite = Rewrite{filter.urlRewrite->hostname, path_edit(filter.urlRewrite->path)};
  } else if (filter.type == "CORS" && filter.cors) {
    out.cors = cors(*filter.cors);
  } else {
    return fmt::format("Filter {} is not supported", filter.type);
  }
  if (out.redirect && out.rewrite) return "Filters RequestRedirect and URLRewrite exclude each other";
  return {};
}

std::string add_filter(Compiling& at, const kube::GRPCRouteFilter& filter, Filters& out) {
  if (add_common(at, filter, out)) return {};
  return fmt::format("Filter {} is not supported", filter.type);
}

}  // namespace weft::gateway
