#include <fmt/format.h>

#include "gateway/proxy/exchange.h"
#include "gateway/proxy/mirroring.h"
#include "gateway/route/cors.h"
#include "gateway/route/filters.h"

/// An exchange until it has a backend.
namespace weft::gateway {

void Exchange::on_request(Body body, bool end) {
  body_ = body;
  request_ended_ = end;
  original_authority_ = request_.authority;
  original_path_ = request_.path;
  route();
}

void Exchange::route() {
  if (!find_rule()) return;
  const Rule& rule = *found_.rule->rule;
  replayable_ = request_ended_ || rule.retry.has_value();
  if (rule.request_timeout > 0) worker_->loop().set_timer(request_timer_, rule.request_timeout);
  if (answered_by_filters(rule.filters)) return;
  add_forwarded();
  edit_request(rule.filters);
  forward();
}

/// The rule that takes the request; false: it has been answered.
bool Exchange::find_rule() {
  port_ = view_->compiled->port(session_->bind_port());
  std::string_view host = host_of(request_.authority);
  listener_ = port_ ? view_->compiled->listener(*port_, host, session_->client()) : nullptr;
  if (!listener_) {
    fail(404, Flag::no_listener, "no listener takes this host");
    return false;
  }
  if (auto at = view_->counters.find(&listener_->config()); at != view_->counters.end()) {
    counters_->active.sub(1);
    counters_ = at->second;
    counters_->active.add(1);
  }
  // The connection belongs to another listener: the client has used it for a host that shares its
  // certificate.
  if (session_->is_tls() && port_->listener(session_->server_name()) != listener_) {
    fail(421, Flag::misdirected, "this host is not served on this connection");
    return false;
  }
  found_ = listener_->find(request_, arena_);
  if (found_.rule) return true;
  fail(404, Flag::no_route, "no route takes this request");
  return false;
}

bool Exchange::answered_by_filters(const Filters& filters) {
  if (filters.cors && is_preflight(request_)) {
    response_.fields.clear();
    answer_preflight(*filters.cors, request_, response_, arena_);
    answer({}, true);
    return true;
  }
  if (filters.redirect) {
    response_.fields.clear();
    redirect(*filters.redirect, request_, *found_.match, port_->config().port, response_, arena_);
    edit(filters.response, response_, arena_);
    answer({}, true);
    return true;
  }
  return false;
}

void Exchange::edit_request(const Filters& filters) {
  if (!filters.request.empty()) edit(filters.request, request_, arena_);
  if (filters.rewrite) rewrite(*filters.rewrite, *found_.match, request_, arena_);
}

void Exchange::add_forwarded() {
  const std::string& peer = session_->peer();
  std::string_view before = request_.fields.joined("x-forwarded-for", arena_);
  std::string_view client = peer;
  if (!before.empty()) {
    std::span<char> text = arena_.room(before.size() + 2 + peer.size());
    fmt::format_to(text.data(), "{}, {}", before, peer);
    client = {text.data(), text.size()};
  }
  request_.fields.set("x-forwarded-for", client);
  request_.fields.set("x-forwarded-proto", request_.scheme);
  request_.fields.set("x-forwarded-host", original_authority_);
}

void Exchange::start_mirrors(size_t share) {
  for (std::string_view backend : found_.rule->mirrored_to(share)) {
    Upstream* upstream = worker_->upstreams().find(backend);
    UpstreamHost* host = upstream && !upstream->is_broken() ? upstream->pick({}, worker_->random()) : nullptr;
    if (!host) continue;
    mirrors_.push_back(&worker_->add_mirroring(*host));
    mirrors_.back()->start(request_, body_, request_ended_);
  }
}

void Exchange::forward() {
  const Rule& rule = *found_.rule->rule;
  auto share = found_.rule->shares.next();
  share_ = share ? &rule.backends[*share] : nullptr;
  if (!share_ || share_->backend.empty())
    return fail(500, Flag::no_backend, "the route has no valid backend for this request");
  if (answered_by_filters(share_->filters)) return;
  start_mirrors(*share);
  edit_request(share_->filters);
  connect();
}

}  // namespace weft::gateway
