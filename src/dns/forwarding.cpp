#include "base/log.h"
#include "dns/search_walk.h"
#include "dns/worker.h"

namespace weft::dns {
namespace {

using Send = DomainFeed::Send;

const Name& asked_name(const Forwarded& question) {
  return question.prefix ? question.prefix->chase : question.query.name;
}

UpstreamQuestion upstream_question(const Forwarded& question) {
  const Query& query = question.query;
  return {asked_name(question), query.type, query.dnssec_ok, query.checking_disabled};
}

/// As `write_chased` reads it: the answer to the end of an ExternalName, as an upstream would send it.
Query chased_query(const Query& query) {
  Query out = query;
  out.has_edns = false;
  return out;
}

AnswerForm form_of(const WorkerContext& context, const Forwarded& question, Transport transport) {
  return {.limit = question.prefix ? kMaxMessage : size_limit(question.query, transport),
          .rotation = context.rotation};
}

AnswerCache::Lookup look_up(WorkerContext& context, const Forwarded& question, Transport transport,
                            bool take_expired, std::span<uint8_t> out) {
  const auto asked = upstream_question(question);
  const AnswerForm form = form_of(context, question, transport);
  const auto now = context.poller.now();
  if (!question.prefix) return context.cache->find(asked, question.query, form, take_expired, now, out);
  auto lookup =
      context.cache->find(asked, chased_query(question.query), form, take_expired, now, context.chased);
  if (lookup.size == 0) return lookup;
  lookup.size =
      write_chased(question.query, *question.prefix, {context.chased.data(), lookup.size}, transport, out);
  return lookup;
}

void fail_with(const Query& query, Rcode rcode, const Send& send) {
  std::array<uint8_t, kMinUdpSize> buffer;
  send({buffer.data(), write_error(query, rcode, buffer)});
}

void send_answer(WorkerContext& context, const Forwarded& question, const StoredAnswer& answer,
                 Transport transport, const Send& send) {
  const AnswerForm form = form_of(context, question, transport);
  std::span<uint8_t> out = context.message;
  if (!question.prefix)
    return send(out.first(write_stored(answer, question.query, question.query.name, form, out)));
  const size_t size =
      write_stored(answer, chased_query(question.query), question.prefix->chase, form, context.chased);
  send(out.first(
      write_chased(question.query, *question.prefix, {context.chased.data(), size}, transport, out)));
}

size_t from_cache(WorkerContext& context, const Forwarded& question, Transport transport,
                  std::span<uint8_t> out) {
  if (!context.cache) return 0;
  auto& counters = context.counters.cache;
  counters.requests.add();
  const auto lookup = look_up(context, question, transport, false, out);
  if (lookup.found != AnswerCache::Found::fresh) return 0;
  (lookup.negative ? counters.hits_negative : counters.hits_positive).add();
  context.source = {AnswerSource::Kind::cache, nullptr};
  if (!lookup.prefetch) return lookup.size;
  counters.prefetches.add();
  context.forwarder->ask(upstream_question(question), false, {});
  return lookup.size;
}

/// The old answer, if there is one that may still be served.
bool send_stale(WorkerContext& context, const Forwarded& question, Transport transport, const Send& send) {
  if (!context.cache || context.config->cache.serve_stale.count() == 0) return false;
  const auto lookup = look_up(context, question, transport, true, context.message);
  if (lookup.size == 0) return false;
  if (lookup.found == AnswerCache::Found::expired) context.counters.cache.served_stale.add();
  context.source = {AnswerSource::Kind::stale, nullptr};
  send({context.message.data(), lookup.size});
  return true;
}

/// The name that was asked for to find loops has come back.
void note_loop(WorkerContext& context, const Name& probe, const SocketAddress& peer) {
  context.counters.forward_loops.add();
  const auto label = probe.str();
  const auto domain = label.substr(label.find('.') + 1);
  spdlog::error(
      "forwarding loop: what this server asks upstream for names under {} comes back to it from {}; such "
      "names "
      "are SERVFAIL until another upstream is configured",
      domain.empty() ? "." : domain, peer.ip.str());
}

}  // namespace

std::string AnswerSource::str() const {
  switch (kind) {
    case Kind::cache:
      return "cache";
    case Kind::stale:
      return "cache, ended, as no upstream answers";
    case Kind::upstream:
      return (upstream->tls() ? "upstream tls://" : "upstream ") + upstream->address.str();
    default:
      return "";
  }
}

Forwarded note_forward(const WorkerContext& context, size_t index, const Query& query) {
  Forwarded out{index, query, nullptr};
  if (context.answer.kind == Answer::Kind::chased)
    out.prefix = std::make_shared<const Answer>(context.answer);
  return out;
}

size_t answer_from_cache(WorkerContext& context, const Forwarded& question, Transport transport,
                         std::span<uint8_t> out) {
  return context.domains.wants(question.query) ? 0 : from_cache(context, question, transport, out);
}

void forward(WorkerContext& context, const Forwarded& question, const Client& client,
             const SocketAddress& peer, Transport transport, const DomainFeed::Send& reply) {
  if (question.walk) return walk_on(context, question.walk, {client, peer, transport, reply});
  const Query& query = question.query;
  auto send = reply;
  context.source = {};
  if (context.domains.wants(query)) {
    send = [&domains = context.domains, query, reply](std::span<const uint8_t> answer) {
      domains.deliver(query, answer, reply);
    };
    const size_t cached = from_cache(context, question, transport, context.message);
    if (cached > 0) return send({context.message.data(), cached});
  }
  if (context.own.contains(peer.port, query.id))  // an "upstream" that is ourselves
    return fail_with(query, Rcode::servfail, send);
  if (context.own.is_loop_probe(query.name)) {
    note_loop(context, query.name, peer);
    return fail_with(query, Rcode::servfail, send);
  }
  auto ticket = context.clients.begin(client);
  if (!ticket) {
    context.counters.client_limited.add();
    if (!send_stale(context, question, transport, send)) fail_with(query, Rcode::servfail, send);
    return;
  }
  const bool has_stale =
      context.cache && context.config->cache.serve_stale.count() > 0 &&
      look_up(context, question, transport, false, context.message).found == AnswerCache::Found::expired;
  auto done = [&context, transport, question, send, ticket](const StoredAnswer* answer,
                                                            const Upstream* from) {
    context.source = {};
    const bool unhappy = !answer || answer->rcode == Rcode::servfail || answer->rcode == Rcode::refused;
    if (unhappy && send_stale(context, question, transport, send)) return;
    if (!answer) return fail_with(question.query, Rcode::servfail, send);
    context.source = {AnswerSource::Kind::upstream, from};
    send_answer(context, question, *answer, transport, send);
  };
  switch (context.forwarder->ask(upstream_question(question), has_stale, std::move(done))) {
    case Forwarder::Asked::yes:
      return;
    case Forwarder::Asked::nobody:
      return fail_with(query, Rcode::refused, send);
    case Forwarder::Asked::too_many:
      if (!send_stale(context, question, transport, send)) fail_with(query, Rcode::servfail, send);
  }
}

}  // namespace weft::dns
