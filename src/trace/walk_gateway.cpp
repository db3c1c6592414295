#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "gateway/http/path.h"
#include "gateway/infrastructure.h"
#include "gateway/mesh.h"
#include "gateway/route/filters.h"
#include "gateway/route/host_table.h"
#include "trace/hints.h"
#include "trace/walk.h"

/// What a node's proxy does with a connection, by the snapshot and the router that it has.
namespace weft::trace {
namespace {

std::string where(const IpAddr& addr, uint16_t port) {
  return addr.is_v6() ? fmt::format("[{}]:{}", addr.str(), port) : fmt::format("{}:{}", addr.str(), port);
}

std::string_view name_of(gateway::Protocol protocol) {
  switch (protocol) {
    case gateway::Protocol::http:
      return "HTTP";
    case gateway::Protocol::https:
      return "HTTPS";
    case gateway::Protocol::tls:
      return "TLS";
    case gateway::Protocol::tcp:
      return "TCP";
    case gateway::Protocol::udp:
      return "UDP";
  }
  return "?";
}

bool speaks_tls(const gateway::Port& port) {
  return std::ranges::any_of(port.listeners, [](const auto& one) {
    return one->protocol == gateway::Protocol::https || one->protocol == gateway::Protocol::tls;
  });
}

/// Of a stream: there is nothing to answer in, so what would be a status is a connection that the proxy
/// closes.
void close_instead(std::vector<Hop>& hops) {
  for (auto& hop : hops) {
    if (hop.outcome.verdict == Verdict::error) hop.outcome.verdict = Verdict::refused;
    hop.outcome.status = 0;
    close_instead(hop.hops);
  }
}

std::string key_of(const gateway::Why& why) { return trace::key_of(why.namespace_, why.name); }

std::string rule_part(const gateway::Why& why) {
  return why.rule < 0 ? std::string() : fmt::format("spec.rules[{}]", why.rule);
}

std::string describe(const gateway::Match& match) {
  std::string out;
  switch (match.path_kind) {
    case gateway::PathKind::exact:
      out = "path " + match.path;
      break;
    case gateway::PathKind::prefix:
      out = "path prefix " + match.path;
      break;
    case gateway::PathKind::regex:
      out = "path expression " + match.path;
      break;
  }
  if (!match.method.empty()) out += ", method " + match.method;
  for (const auto& header : match.headers) out += fmt::format(", header {}={}", header.name, header.value);
  for (const auto& query : match.query) out += fmt::format(", query {}={}", query.name, query.value);
  return out;
}

std::string shown_host(const std::string& hostname) { return hostname.empty() ? "any host" : hostname; }

/// Whom a listener is for: of a Gateway hosts, of a Service clients.
std::string who_is_meant(const gateway::Listener& listener) {
  if (listener.why.kind != "Service") return shown_host(listener.hostname);
  auto slash = listener.why.section.find('/');
  if (slash != std::string::npos)
    return fmt::format("clients of namespace {} (consumers)", listener.why.section.substr(slash + 1));
  // Nothing but what passes connections on has streams there.
  return listener.protocol == gateway::Protocol::tcp ? "clients without routes" : "all clients (producers)";
}

bool is_bad(const kube::Condition& condition) {
  bool should_not_be = condition.type == "Conflicted" || condition.type == "OverlappingTLSConfig" ||
                       condition.type == "PartiallyInvalid";
  return condition.status == (should_not_be ? "True" : "False");
}

/// What is not as it should be: "Accepted is False (NotAllowedByListeners): …", and what would mend the first
/// of it.
Hint complaints(const std::vector<kube::Condition>& conditions) {
  Hint out;
  for (const auto& condition : conditions) {
    if (!is_bad(condition)) continue;
    out.reason += fmt::format("{}{} is {} ({}): {}", out.reason.empty() ? "" : "; ", condition.type,
                              condition.status, condition.reason, condition.message);
    if (out.fix.empty()) out.fix = fix_of_condition(condition.reason);
  }
  return out;
}

void end_with_status(Hop& hop, int status, std::string reason, std::string fix) {
  hop.end(Verdict::error, std::move(reason), std::move(fix));
  hop.outcome.status = status;
}

}  // namespace

std::string Walk::host_name() const {
  for (const auto& [name, value] : request_.headers) {
    if (name == "host") return value;
  }
  auto port = to_.port.value_or(request_.port.value_or(0));
  bool usual = (to_.scheme == "https" && port == 443) || (to_.scheme != "https" && port == 80);
  auto host = to_.host;
  if (host.empty() && to_.kind == Destination::Kind::service) host = to_.key.substr(to_.key.find('/') + 1);
  return usual || host.empty() ? host : fmt::format("{}:{}", host, port);
}

void Walk::make_ask(Ask& ask) const {
  auto& head = ask.head;
  head.method = ask.arena.keep(request_.method);
  head.scheme = ask.arena.keep(to_.scheme.empty() ? "http" : to_.scheme);
  head.authority = ask.arena.keep(host_name());
  auto question = to_.path.find('?');
  auto path = gateway::normal_path(ask.arena.keep(to_.path.substr(0, question)), ask.arena);
  if (!path) ask.bad = fmt::format("the path {} is refused by every gateway", to_.path);
  head.path = path.value_or("/");
  head.has_query = question != to_.path.npos;
  if (head.has_query) head.query = ask.arena.keep(to_.path.substr(question + 1));
  for (const auto& [name, value] : request_.headers) {
    if (name != "host") head.fields.add(ask.arena.keep(name), ask.arena.keep(value));
  }
}

/// Why a Gateway does not serve a port.
Hop Walk::unserved(const std::string& gateway, const gateway::PortKey& port) const {
  if (auto service = gateway::meshed_service(gateway)) {
    auto mesh =
        make_hop("gateway", "the routes of Service " + *service, {world_.origins.find("Service", *service)});
    mesh.end(Verdict::refused, fmt::format("no proxy serves port {} of Service {} yet", port.port, *service),
             "wait for weft gateway, or see whether it runs: weft status");
    return mesh;
  }
  auto hop =
      make_hop("gateway", fmt::format("Gateway {}", gateway), {world_.origins.find("Gateway", gateway)});
  const auto* status = world_.gateway_plan.gateway_status(gateway);
  auto object = world_.gateways.find(gateway);
  if (object == world_.gateways.end() && gateway != gateway::kIngressGateway) {
    hop.end(Verdict::no_way, fmt::format("there is no Gateway {}", gateway), "make it");
    return hop;
  }
  if (object == world_.gateways.end()) {
    hop.end(Verdict::no_way, "no Ingress is of a class of Weft's",
            "set spec.ingressClassName to an IngressClass with the controller weft.dev/ingress-controller");
    return hop;
  }
  if (!status) {
    const auto& class_ = object->second->spec.gatewayClassName;
    bool known = world_.gateway_plan.class_status(class_) != nullptr;
    hop.by.back() = world_.origins.find("Gateway", gateway, "spec.gatewayClassName");
    hop.end(Verdict::no_way,
            known ? fmt::format("Gateway {} is not served", gateway)
                  : fmt::format("GatewayClass {} of Gateway {} does not exist or is another controller's",
                                class_, gateway),
            "name a GatewayClass with the controller weft.dev/gateway-controller: weft");
    return hop;
  }
  auto why = complaints(status->conditions);
  for (const auto& listener : status->listeners) {
    auto wrong = complaints(listener.conditions);
    if (!wrong.reason.empty())
      why.reason +=
          fmt::format("{}listener {}: {}", why.reason.empty() ? "" : "; ", listener.name, wrong.reason);
    if (why.fix.empty()) why.fix = wrong.fix;
  }
  bool has_port = std::ranges::any_of(object->second->spec.listeners,
                                      [&](const auto& listener) { return listener.port == port.port; });
  if (!has_port)
    why = {.reason = fmt::format("it has no listener at port {}{}", port.port,
                                 why.reason.empty() ? "" : "; " + why.reason),
           .fix = "add a listener, or ask for a port that it has"};
  hop.end(Verdict::no_way,
          fmt::format("Gateway {} does not serve port {}: {}", gateway, port.port,
                      why.reason.empty() ? "it has no address yet" : why.reason),
          why.fix.empty() ? "see its listeners" : why.fix);
  return hop;
}

Hop Walk::through_gateway(const std::string& gateway, const gateway::PortKey& port, const IpAddr& proxy) {
  const auto& ports = world_.gateway_plan.snapshot().ports;
  auto at = std::ranges::find_if(ports, [&](const auto& have) {
    return have->gateway == gateway && have->port == port.port && have->udp == port.udp;
  });
  if (at == ports.end()) return unserved(gateway, port);
  const auto& compiled = world_.compiled(*at);
  auto hop = gateway_hop(gateway, proxy);
  hop.hops.push_back(listener_hop(compiled, proxy));
  settle_sequence(hop);
  return hop;
}

/// Whose proxy takes the connection.
Hop Walk::gateway_hop(const std::string& gateway, const IpAddr& proxy) const {
  auto service = gateway::meshed_service(gateway);
  auto what = service ? "the routes of Service " + *service
                      : (gateway == gateway::kIngressGateway ? "the Ingresses" : "Gateway " + gateway);
  auto node = world_.node_at.find(proxy);
  auto hop = make_hop("gateway", fmt::format("{}, served by the proxy on {}", what,
                                             node == world_.node_at.end() ? proxy.str() : node->second));
  if (service)
    hop.by.push_back(world_.origins.find("Service", *service));
  else if (gateway != gateway::kIngressGateway)
    hop.by.push_back(world_.origins.find("Gateway", gateway));
  return hop;
}

/// A listener of a Gateway or ListenerSet; of a Service its port.
ObjectRef Walk::ref_of(const gateway::Why& listener) const {
  auto key = key_of(listener);
  std::string part;
  if (auto at = world_.services.find(key); listener.kind == "Service" && at != world_.services.end()) {
    auto number = listener.section.substr(0, listener.section.find('/'));
    const auto& all = at->second->spec.ports;
    auto found = std::ranges::find(all, number, [](const auto& one) { return std::to_string(one.port); });
    if (found != all.end()) part = fmt::format("spec.ports[{}]", found - all.begin());
  }
  if (auto at = world_.gateways.find(key); listener.kind == "Gateway" && at != world_.gateways.end()) {
    const auto& all = at->second->spec.listeners;
    auto found = std::ranges::find(all, listener.section, [](const auto& one) { return one.name; });
    if (found != all.end()) part = fmt::format("spec.listeners[{}]", found - all.begin());
  }
  return world_.origins.find(listener.kind, key, part);
}

/// As a proxy of the mesh knows it: by the pod's address, which those on their host's network do not have.
const std::string& Walk::client_namespace() const {
  static const std::string kNone;
  auto pod = world_.pods.find(source_.pod);
  return pod == world_.pods.end() || pod->second->spec.hostNetwork ? kNone : pod->second->metadata.namespace_;
}

/// A Service's consumers have routes of their own, and others do not see these.
const gateway::CompiledListener* Walk::listener_for(const gateway::CompiledPort& port,
                                                    std::string_view host) const {
  const auto* consumer = port.consumer(client_namespace());
  return consumer ? consumer : port.listener(host);
}

Hop Walk::listener_hop(const gateway::CompiledPort& port, const IpAddr& proxy) {
  Ask ask;
  make_ask(ask);
  auto host = gateway::host_of(ask.head.authority);
  const auto* listener = listener_for(port, host);
  if (!listener) {
    auto hop = make_hop("listener", fmt::format("none at port {} takes {}", port.config().port, host));
    std::vector<std::string> have;
    for (const auto& one : port.config().listeners) have.push_back(shown_host(one->hostname));
    auto reason = fmt::format("no listener of {} at port {} takes the host {}", port.config().gateway,
                              port.config().port, host.empty() ? "(none)" : host);
    auto fix = fmt::format("its listeners take {}: ask for such a host, or change a listener's hostname",
                           fmt::join(have, ", "));
    // Without a certificate for the name there is no TLS, and nothing to answer over.
    if (speaks_tls(port.config()))
      hop.end(Verdict::refused, std::move(reason), std::move(fix));
    else
      end_with_status(hop, 404, std::move(reason), std::move(fix));
    return hop;
  }
  const auto& config = listener->config();
  auto hop = make_hop("listener", fmt::format("{} at port {}, for {}", name_of(config.protocol),
                                              port.config().port, who_is_meant(config)));
  if (port.config().gateway != gateway::kIngressGateway) hop.by.push_back(ref_of(config.why));
  bool http = config.protocol == gateway::Protocol::http || config.protocol == gateway::Protocol::https;
  if (!http) {
    hop.hops.push_back(stream_hop(*listener, proxy));
  } else if (!to_.scheme.empty() &&
             (to_.scheme == "https") != (config.protocol == gateway::Protocol::https)) {
    end_with_status(
        hop, 400,
        fmt::format("the URL says {}, the listener speaks {}", to_.scheme, name_of(config.protocol)),
        "use the other scheme, or another port");
    return hop;
  } else {
    hop.hops.push_back(http_hop(*listener, ask, proxy));
  }
  settle_sequence(hop);
  return hop;
}

Hop Walk::http_hop(const gateway::CompiledListener& listener, Ask& ask, const IpAddr& proxy) {
  if (!ask.bad.empty()) {
    auto hop = make_hop("rule", "none is asked");
    end_with_status(hop, 400, ask.bad, "correct the path");
    return hop;
  }
  gateway::Explanation explanation;
  auto found = listener.find(ask.head, ask.arena, &explanation);
  std::vector<std::string> passed;
  for (const auto& step : explanation.steps) {
    if (step.why_not.empty()) continue;
    passed.push_back(step.rule ? fmt::format("not {} {} {}: {}", step.rule->why.kind, key_of(step.rule->why),
                                             rule_part(step.rule->why), step.why_not)
                               : fmt::format("not host {}: {}", shown_host(step.hostname), step.why_not));
  }
  if (found.rule) {
    auto hop = rule_hop(found, ask, static_cast<uint16_t>(*request_.port), proxy);
    hop.notes.insert(hop.notes.begin(), passed.begin(), passed.end());
    return hop;
  }
  auto host = gateway::host_of(ask.head.authority);
  auto hop = make_hop("rule", fmt::format("none takes {} {}{}", ask.head.method, host, ask.head.path));
  hop.notes = passed;
  auto why = why_unattached(host, hop.by);
  auto reason = fmt::format("no route takes {} {}{}", ask.head.method, host, ask.head.path);
  end_with_status(
      hop, 404, why.reason.empty() ? reason : reason + "; " + why.reason,
      why.fix.empty() ? "add a rule for it, or ask for a host and path that a route has" : why.fix);
  return hop;
}

/// Routes that are for this host and did not get there.
Hint Walk::why_unattached(std::string_view host, std::vector<ObjectRef>& by) const {
  Hint out;
  for (const auto& route : world_.routes) {
    bool takes = route.hostnames.empty() || std::ranges::any_of(route.hostnames, [&](const auto& hostname) {
                   return gateway::takes_host(hostname, host);
                 });
    if (!takes) continue;
    for (const auto& parent : world_.gateway_plan.route_parents(route.kind, route.key)) {
      auto wrong = complaints(parent.conditions);
      if (wrong.reason.empty()) continue;
      out.reason +=
          fmt::format("{}{} {}: {}", out.reason.empty() ? "" : "; ", route.kind, route.key, wrong.reason);
      if (out.fix.empty()) out.fix = wrong.fix;
      by.push_back(world_.origins.find(route.kind, route.key, "spec.parentRefs"));
    }
  }
  return out;
}

Hop Walk::rule_hop(const gateway::Candidate& found, Ask& ask, uint16_t port, const IpAddr& proxy) {
  const auto& rule = *found.rule->rule;
  auto hop = make_hop("rule",
                      fmt::format("{} {}{} by {}", ask.head.method, gateway::host_of(ask.head.authority),
                                  ask.head.path, describe(*found.match->match)),
                      {world_.origins.find(rule.why.kind, key_of(rule.why), rule_part(rule.why))});
  if (rule.filters.redirect) {
    gateway::ResponseHead answer;
    gateway::redirect(*rule.filters.redirect, ask.head, *found.match, port, answer, ask.arena);
    const auto* location = answer.fields.find("location");
    hop.notes.push_back(
        fmt::format("answered with {}, location {}", answer.status, location ? location->value : ""));
    hop.outcome.status = answer.status;
    if (location) hop.outcome.location = location->value;
    return hop;
  }
  if (rule.filters.rewrite) {
    gateway::rewrite(*rule.filters.rewrite, *found.match, ask.head, ask.arena);
    hop.notes.push_back(
        fmt::format("rewritten to {}{}", gateway::host_of(ask.head.authority), ask.head.path));
  }
  hop.hops = backend_hops(rule.backends, rule.why, proxy);
  if (hop.hops.empty()) {
    end_with_status(
        hop, 500,
        fmt::format("{} {} {} has no backend", rule.why.kind, key_of(rule.why), rule_part(rule.why)),
        "give it backendRefs, with a weight above 0");
    return hop;
  }
  settle_any(hop);
  return hop;
}

Hop Walk::stream_hop(const gateway::CompiledListener& listener, const IpAddr& proxy) {
  Ask ask;
  make_ask(ask);
  bool tls = listener.config().protocol == gateway::Protocol::tls;
  auto name = tls ? gateway::host_of(ask.head.authority) : std::string_view();
  const auto* stream = listener.stream(name);
  if (!stream) {
    auto hop = make_hop("rule", "none takes it");
    auto why = why_unattached(name, hop.by);
    hop.end(Verdict::refused,
            fmt::format("no route of the listener takes {}: the proxy closes it{}",
                        name.empty() ? "the connection" : name, why.reason.empty() ? "" : "; " + why.reason),
            why.fix.empty() ? "attach a route to the listener" : why.fix);
    return hop;
  }
  const auto& route = *stream->route;
  auto text = route.why.kind == "Service" ? "no route is for this client: passed on as it is"
              : tls ? fmt::format("server name {}{}", name, route.terminate ? ", TLS ends here" : "")
                    : "any connection";
  auto hop = make_hop("rule", std::move(text),
                      {world_.origins.find(route.why.kind, key_of(route.why), rule_part(route.why))});
  hop.hops = backend_hops(route.backends, route.why, proxy);
  close_instead(hop.hops);
  if (hop.hops.empty()) {
    hop.end(Verdict::refused,
            fmt::format("{} {} has no backend: the proxy closes the connection", route.why.kind,
                        key_of(route.why)),
            "give it backendRefs, with a weight above 0");
    return hop;
  }
  settle_any(hop);
  return hop;
}

std::vector<Hop> Walk::backend_hops(const std::vector<gateway::WeightedBackend>& backends,
                                    const gateway::Why& why, const IpAddr& proxy) {
  uint64_t sum = 0;
  for (const auto& backend : backends) sum += backend.weight;
  std::vector<Hop> out;
  for (const auto& backend : backends) {
    if (backend.weight == 0) continue;
    auto hop = backend_hop(backend, why, proxy);
    if (sum != backend.weight) hop.text += fmt::format(", {} of {} requests", backend.weight, sum);
    out.push_back(std::move(hop));
  }
  return out;
}

Hop Walk::backend_hop(const gateway::WeightedBackend& backend, const gateway::Why& why, const IpAddr& proxy) {
  const auto& snapshot = world_.gateway_plan.snapshot();
  if (backend.backend.empty() || !snapshot.backends->contains(backend.backend)) {
    auto hop = make_hop("backend", "a reference that leads nowhere",
                        {world_.origins.find(why.kind, key_of(why), rule_part(why) + ".backendRefs")});
    Hint said;
    for (const auto& parent : world_.gateway_plan.route_parents(why.kind, key_of(why))) {
      if (said.reason.empty()) said = complaints(parent.conditions);
    }
    end_with_status(hop, 500,
                    fmt::format("a backendRef of {} {} {} leads nowhere{}", why.kind, key_of(why),
                                rule_part(why), said.reason.empty() ? "" : ": " + said.reason),
                    said.fix.empty() ? "correct the backendRef" : said.fix);
    return hop;
  }
  const auto& target = *snapshot.backends->at(backend.backend);
  auto service = key_of(target.why);
  auto hop = make_hop(
      "backend",
      fmt::format("Service {} port {}{}{}", service, target.why.section, target.tls ? ", over TLS" : "",
                  target.protocol == gateway::BackendProtocol::h2c ? ", HTTP/2" : ""),
      {world_.origins.find("Service", service)});
  if (backend.filters.redirect) {
    hop.outcome.status = backend.filters.redirect->status;
    hop.notes.push_back(
        fmt::format("not asked: a filter of the backendRef answers with {}", hop.outcome.status));
    return hop;
  }
  if (target.broken) {
    end_with_status(hop, 502,
                    fmt::format("TLS to Service {} cannot be set up as its BackendTLSPolicy asks", service),
                    "see the status of the BackendTLSPolicy");
    return hop;
  }
  auto endpoints = snapshot.endpoints->find(target.endpoints);
  if (endpoints == snapshot.endpoints->end() || endpoints->second->empty()) {
    Hint hint{.reason = fmt::format("Service {} has no endpoint", service), .fix = {}};
    if (auto object = world_.services.find(service); object != world_.services.end()) {
      for (const auto& port : object->second->spec.ports) {
        if (std::to_string(port.port) == target.why.section)
          hint = why_no_endpoints(world_, service, port, false);
      }
    }
    end_with_status(hop, 503, std::move(hint.reason), std::move(hint.fix));
    return hop;
  }
  for (const auto& endpoint : *endpoints->second) {
    policy::Party to{.pod = endpoint.pod, .address = endpoint.addr};
    if (auto pod = world_.pod_at.find(endpoint.addr); pod != world_.pod_at.end()) to.pod = pod->second;
    auto one = make_hop("endpoint", fmt::format("{}{}", where(endpoint.addr, endpoint.port),
                                                to.pod.empty() ? "" : ", Pod " + to.pod));
    if (!to.pod.empty()) one.by.push_back(world_.origins.find("Pod", to.pod));
    auto from = proxy;
    if (proxy.is_v4() != endpoint.addr.is_v4()) {
      auto node = world_.node_at.find(proxy);
      for (const auto& [address, name] : world_.node_at) {
        if (node != world_.node_at.end() && name == node->second && address.is_v4() == endpoint.addr.is_v4())
          from = address;
      }
    }
    ask_policies(one, {.pod = {}, .address = from}, to, endpoint.port, 0);
    settle_sequence(one);
    // The proxy waits in vain, and says so.
    if (one.outcome.verdict == Verdict::denied) one.outcome.status = 503;
    hop.hops.push_back(std::move(one));
  }
  settle_any(hop);
  return hop;
}

}  // namespace weft::trace
