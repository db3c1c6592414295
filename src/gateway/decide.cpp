#include "gateway/decide.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "gateway/http/authority.h"
#include "gateway/http/path.h"
#include "gateway/route/router.h"

namespace weft::gateway {
namespace {

/// The scheme, which is taken away.
Expected<std::string> take_scheme(std::string_view& target) {
  size_t end = target.find("://");
  if (end == target.npos || end > target.find('/')) return std::string();
  auto scheme = lower(target.substr(0, end));
  if (scheme != "http" && scheme != "https")
    return fail(ErrorCode::invalid, fmt::format("{}: of http and https only", target));
  target.remove_prefix(end + 3);
  return scheme;
}

Expected<void> read_host(std::string_view text, Question& out) {
  Arena arena;
  std::string_view authority;
  if (text.empty() || !read_authority(arena.keep(text), authority))
    return fail(ErrorCode::invalid, fmt::format("\"{}\" is no HOST[:PORT]", text));
  out.host = host_of(authority);
  size_t colon = authority.rfind(':');
  if (colon == authority.npos || authority.find(']', colon) != authority.npos) return {};
  auto digits = authority.substr(colon + 1);
  uint16_t port = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size() || port == 0)
    return fail(ErrorCode::invalid, fmt::format("\"{}\" is no port", digits));
  out.port = port;
  return {};
}

/// The question as a message.
struct Asked {
  explicit Asked(const Question& question) {
    head.method = question.method;
    head.scheme = question.scheme;
    authority = question.port ? fmt::format("{}:{}", question.host, *question.port) : question.host;
    head.authority = authority;
    head.path = question.path;
    head.query = question.query;
    head.has_query = !question.query.empty();
    for (const auto& [name, value] : question.headers) head.fields.add(name, value);
  }
  std::string authority;
  Arena arena;
  RequestHead head;
};

bool is_meant(const Port& port, const Question& question) {
  if (port.udp || (question.port && *question.port != port.port)) return false;
  return question.gateway.empty() || question.gateway == port.gateway;
}

bool is_meant(const Listener& listener, const Question& question) {
  switch (listener.protocol) {
    case Protocol::http:
      return question.scheme != "https";
    case Protocol::https:
    case Protocol::tls:
      return question.scheme != "http";
    default:
      return false;
  }
}

void find_rule(const Snapshot& snapshot, const Port& port, const CompiledListener& listener, Asked& asked,
               Decision& out) {
  Explanation explanation;
  auto found = listener.find(asked.head, asked.arena, &explanation);
  for (const auto& step : explanation.steps)
    out.considered.push_back({step.hostname, step.rule ? std::optional(step.rule->why) : std::nullopt,
                              step.match ? words_of(*step.match) : "", step.why_not});
  if (!found.rule) return;
  out.taken = row_of(snapshot, port, listener.config(), explanation.steps.back().hostname, *found.rule->rule);
}

void find_stream(const Snapshot& snapshot, const Port& port, const CompiledListener& listener,
                 const std::string& host, Decision& out) {
  const CompiledStream* stream = listener.stream(host);
  if (!stream) return;
  const auto& names = stream->route->hostnames;
  auto name = std::ranges::find_if(names, [&](const auto& one) { return takes_host(one, host); });
  out.taken = row_of(snapshot, port, listener.config(),
                     name == names.end() ? listener.config().hostname : *name, *stream->route);
  out.considered.push_back({out.taken->hostname, stream->route->why, "server name " + host, ""});
}

}  // namespace

Expected<Question> Question::parse(std::string_view target) {
  Question out;
  WEFT_TRY(out.scheme, take_scheme(target));
  size_t slash = std::min(target.find_first_of("/?"), target.size());
  WEFT_CHECK(read_host(target.substr(0, slash), out));
  target.remove_prefix(slash);
  size_t question = std::min(target.find('?'), target.size());
  auto path = question == 0 ? "/" : target.substr(0, question);
  Arena arena;
  auto normal = normal_path(path, arena);
  if (!normal)
    return fail(ErrorCode::invalid, fmt::format("the proxy answers the path {} with 400: it has an escape, a "
                                                "character or a way up that is refused",
                                                path));
  out.path = *normal;
  if (question < target.size()) out.query = target.substr(question + 1);
  return out;
}

Expected<void> Question::add_header(std::string_view line) {
  size_t colon = line.find(':');
  if (colon == line.npos || colon == 0)
    return fail(ErrorCode::invalid, fmt::format("\"{}\" is no header: expected NAME: VALUE", line));
  auto value = line.substr(colon + 1);
  value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
  headers.emplace_back(lower(line.substr(0, colon)), value);
  return {};
}

json::object Decision::to_json() const {
  json::array looked_at;
  for (const auto& one : considered) {
    json::object entry{
        {"hostname", hostname_of(one.hostname)}, {"match", one.match}, {"whyNot", one.why_not}};
    entry["route"] = one.why ? json::value(words_of(*one.why)) : json::value();
    looked_at.push_back(std::move(entry));
  }
  return {{"gateway", gateway},
          {"port", port},
          {"listener", listener ? json::value(words_of(*listener)) : json::value()},
          {"considered", std::move(looked_at)},
          {"taken", taken ? json::value(taken->to_json()) : json::value()}};
}

std::vector<Decision> decide(const Snapshot& snapshot, const Question& question) {
  Asked asked(question);
  RouteCompiler compiler;
  std::vector<Decision> out;
  for (const auto& port : snapshot.ports) {
    auto meant = [&](const auto& listener) { return is_meant(*listener, question); };
    if (!is_meant(*port, question) || std::ranges::none_of(port->listeners, meant)) continue;
    auto& decision = out.emplace_back();
    decision.gateway = port->gateway;
    decision.port = port->port;
    auto compiled = compiler.compile(port);
    const CompiledListener* listener = compiled->listener(question.host);
    if (!listener) continue;
    decision.listener = listener->config().why;
    decision.protocol = listener->config().protocol;
    if (decision.protocol == Protocol::tls) {
      find_stream(snapshot, *port, *listener, question.host, decision);
    } else {
      find_rule(snapshot, *port, *listener, asked, decision);
    }
  }
  std::ranges::sort(out, {}, [](const Decision& one) { return std::pair(one.gateway, one.port); });
  return out;
}

}  // namespace weft::gateway
