#include "gateway/http_rules.h"

#include <fmt/core.h>
#include <re2/re2.h>

#include <algorithm>

#include "base/text.h"
#include "gateway/duration.h"
#include "gateway/filters.h"
#include "gateway/names.h"
#include "gateway/route/regex.h"

namespace weft::gateway {
namespace {

/// What is wrong with a regular expression, or "".
std::string wrong_regex(const std::string& expression) {
  auto good = check_regex(expression);
  return good ? std::string() : good.error().message;
}

/// Of several with one name the first counts. What is wrong with them, or "".
std::string add_values(const std::vector<kube::HTTPValueMatch>& from, bool headers,
                       std::vector<ValueMatch>& out) {
  for (const auto& one : from) {
    ValueMatch match{headers ? lower(one.name) : one.name, one.value,
                     one.type.value_or("Exact") == "RegularExpression"};
    if (match.regex) {
      if (auto wrong = wrong_regex(match.value); !wrong.empty()) return wrong;
    }
    bool known = std::ranges::find(out, match.name, &ValueMatch::name) != out.end();
    if (!known) out.push_back(std::move(match));
  }
  return {};
}

std::string compile_match(const kube::HTTPRouteMatch& from, Match& out) {
  if (from.path) {
    auto type = from.path->type.value_or("PathPrefix");
    out.path = from.path->value.value_or("/");
    out.path_kind = type == "Exact"               ? PathKind::exact
                    : type == "RegularExpression" ? PathKind::regex
                                                  : PathKind::prefix;
    if (out.path_kind == PathKind::regex) {
      if (auto wrong = wrong_regex(out.path); !wrong.empty()) return wrong;
    }
  }
  out.method = from.method;
  auto wrong = add_values(from.headers, true, out.headers);
  return wrong.empty() ? add_values(from.queryParams, false, out.query) : wrong;
}

/// A call's path is "/SERVICE/METHOD" (gRPC over HTTP/2).
std::string compile_match(const kube::GRPCRouteMatch& from, Match& out) {
  if (from.method) {
    auto service = from.method->service.value_or("");
    auto method = from.method->method.value_or("");
    bool regex = from.method->type.value_or("Exact") == "RegularExpression";
    constexpr std::string_view kAny = "[^/]+";
    if (!regex && !service.empty() && !method.empty()) {
      out.path_kind = PathKind::exact;
      out.path = fmt::format("/{}/{}", service, method);
    } else if (!regex && !service.empty()) {
      out.path = fmt::format("/{}", service);
    } else if (!service.empty() || !method.empty()) {
      auto part = [&](const std::string& text) {
        if (text.empty()) return std::string(kAny);
        return regex ? fmt::format("(?:{})", text) : RE2::QuoteMeta(text);
      };
      out.path_kind = PathKind::regex;
      out.path = fmt::format("/{}/{}", part(service), part(method));
      if (auto wrong = wrong_regex(out.path); !wrong.empty()) return wrong;
    }
  }
  return add_values(from.headers, true, out.headers);
}

/// All of a rule that HTTP and gRPC have in common; what of it cannot be done, or "".
template <class RuleSpec>
std::string compile_common(Compiling& at, const RuleSpec& spec, Rule& out) {
  std::string unsupported;
  auto note = [&](std::string problem) {
    if (unsupported.empty()) unsupported = std::move(problem);
  };
  for (const auto& from : spec.matches) {
    Match match;
    auto wrong = compile_match(from, match);
    if (wrong.empty()) {
      out.matches.push_back(std::move(match));
    } else {
      note(std::move(wrong));
    }
  }
  if (spec.matches.empty()) out.matches.emplace_back();
  for (const auto& filter : spec.filters) note(add_filter(at, filter, out.filters));
  for (const auto& ref : spec.backendRefs) {
    WeightedBackend backend;
    backend.backend = compile_backend(at, ref);
    backend.weight = static_cast<uint32_t>(std::max(ref.weight.value_or(1), 0));
    for (const auto& filter : ref.filters) note(add_filter(at, filter, backend.filters));
    out.backends.push_back(std::move(backend));
  }
  return unsupported;
}

std::string compile_rest(const kube::HTTPRouteRule& spec, Rule& out) {
  auto read = [](const std::optional<std::string>& text, uint32_t& milliseconds) {
    if (!text) return true;
    auto parsed = parse_duration(*text);
    milliseconds = parsed.value_or(0);
    return parsed.has_value();
  };
  bool good = true;
  if (spec.timeouts) {
    good = read(spec.timeouts->request, out.request_timeout) &&
           read(spec.timeouts->backendRequest, out.backend_timeout);
  }
  if (spec.retry) {
    auto& retry = out.retry.emplace();
    for (auto code : spec.retry->codes) retry.codes.push_back(static_cast<uint16_t>(code));
    retry.attempts = static_cast<uint32_t>(std::max(spec.retry->attempts.value_or(1), 0));
    good = read(spec.retry->backoff, retry.backoff) && good;
  }
  return good ? std::string() : "A duration is not as in GEP-2257, \"1h30m\" or \"500ms\"";
}

std::string compile_rest(const kube::GRPCRouteRule&, Rule& out) {
  out.grpc = true;
  return {};
}

template <class Route>
RouteRules compile_rules(Lookup& look, const Route& route, std::string_view kind, Use use,
                         const std::string& gateway, const std::string& parent_service) {
  RouteRules out;
  const auto& meta = route.metadata;
  Compiling at{look, {kGroup, kind, meta.namespace_, parent_service}, use, gateway, out};
  int index = 0;
  for (const auto& spec : route.spec.rules) {
    auto rule = std::make_shared<Rule>();
    rule->why = {std::string(kind), meta.namespace_, meta.name, spec.name, index++};
    auto unsupported = compile_common(at, spec, *rule);
    auto rest = compile_rest(spec, *rule);
    if (unsupported.empty()) unsupported = std::move(rest);
    if (!unsupported.empty()) {
      ++out.unsupported_rules;
      if (!out.unsupported)
        out.unsupported = {"UnsupportedValue", fmt::format("Rule {}: {}", index - 1, unsupported)};
      rule->filters = {};
      rule->backends.clear();
      if (rule->matches.empty()) continue;
    }
    out.rules.push_back(std::move(rule));
  }
  return out;
}

template <class Route>
RouteRules compile_stream(Lookup& look, const Route& route, std::string_view kind, Use use,
                          const std::string& gateway, bool terminate, std::vector<std::string> hostnames) {
  RouteRules out;
  const auto& meta = route.metadata;
  Compiling at{look, {kGroup, kind, meta.namespace_}, use, gateway, out};
  auto stream = std::make_shared<StreamRoute>();
  stream->hostnames = std::move(hostnames);
  stream->terminate = terminate;
  stream->why = {std::string(kind), meta.namespace_, meta.name, "", 0};
  // The schema allows no more than one rule.
  if (!route.spec.rules.empty()) {
    const auto& spec = route.spec.rules.front();
    stream->why.section = spec.name;
    for (const auto& ref : spec.backendRefs) {
      WeightedBackend backend;
      backend.backend = compile_backend(at, ref);
      backend.weight = static_cast<uint32_t>(std::max(ref.weight.value_or(1), 0));
      stream->backends.push_back(std::move(backend));
    }
  }
  out.stream = std::move(stream);
  return out;
}

}  // namespace

RouteRules compile(Lookup& look, const kube::HTTPRoute& route, const std::string& gateway,
                   const std::string& parent_service) {
  return compile_rules(look, route, "HTTPRoute", Use::http, gateway, parent_service);
}

RouteRules compile(Lookup& look, const kube::GRPCRoute& route, const std::string& gateway,
                   const std::string& parent_service) {
  return compile_rules(look, route, "GRPCRoute", Use::grpc, gateway, parent_service);
}

RouteRules compile(Lookup& look, const kube::TLSRoute& route, const std::string& gateway, bool terminate) {
  return compile_stream(look, route, "TLSRoute", terminate ? Use::http : Use::raw,
                        terminate ? gateway : std::string(), terminate, route.spec.hostnames);
}

RouteRules compile(Lookup& look, const kube::TCPRoute& route) {
  return compile_stream(look, route, "TCPRoute", Use::raw, {}, false, {});
}

RouteRules compile(Lookup& look, const kube::UDPRoute& route) {
  return compile_stream(look, route, "UDPRoute", Use::udp, {}, false, {});
}

}  // namespace weft::gateway
