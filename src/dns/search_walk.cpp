#include "dns/search_walk.h"

#include <utility>

#include "dns/search_path.h"

namespace weft::dns {
namespace {

/// What the cluster knows of a name may not depend on others for longer; the pod's next steps cost it less.
constexpr std::chrono::milliseconds kPatience{100};

enum class Found { nothing, here, upstream };

/// Resolves one step into the context's answer, with the CNAME that leads to it in front.
Found take_step(WorkerContext& context, const Zone& zone, const Query& query, const Name& step) {
  Answer& answer = context.answer;
  context.overrides->resolve(zone, step, query.type, answer);
  if (answer.kind == Answer::Kind::found) {
    // The record of the version has the name that was asked for.
    if (answer.rcode != Rcode::noerror || answer.version_asked) return Found::nothing;
  } else if (answer.kind == Answer::Kind::outside) {
    answer.kind = Answer::Kind::chased;
    answer.chase = step;
  }
  auto alias = [&](std::span<const uint8_t> from, std::span<const uint8_t> to) {
    return Answer::Record{.owner = answer.keep(from),
                          .type = Type::cname,
                          .ttl = zone.options().ttl,
                          .address = {},
                          .target = answer.keep(to)};
  };
  // Records have the name that a rewrite made of the step.
  if (auto rewritten = std::exchange(answer.rewritten, std::nullopt); rewritten && *rewritten != step)
    answer.answer.insert(answer.answer.begin(), alias(step.wire(), rewritten->wire()));
  answer.answer.insert(answer.answer.begin(), alias(query.name.wire(), step.wire()));
  return answer.kind == Answer::Kind::found ? Found::here : Found::upstream;
}

/// Policies that go by names are about the name that was found, not about the one that was asked for.
void deliver(WorkerContext& context, const Query& query, const Name& found, std::span<const uint8_t> message,
             const DomainFeed::Send& reply) {
  context.counters.search_path.add();
  const Query meant = about(query, found);
  if (context.domains.wants(meant)) return context.domains.deliver(meant, message, reply);
  reply(message);
}

/// The pod is told what it would have been told, once.
void give_up(SearchWalk& walk, const Walker& walker) {
  if (!std::exchange(walk.answered, true)) walker.reply(walk.not_found);
}

/// What an upstream says about a step, with the CNAMEs that lead to it.
void take_answer(WorkerContext& context, const std::shared_ptr<SearchWalk>& walk, const Walker& walker,
                 std::span<const uint8_t> answer) {
  if (walk->answered) return;
  ResponseHeader header;
  read_header(answer, header);
  if (header.rcode == Rcode::nxdomain) {
    ++walk->at;
    return walk_on(context, walk, walker);
  }
  // Where nothing is known of a step, nothing may be said about later ones.
  if (header.rcode != Rcode::noerror) return give_up(*walk, walker);
  walk->answered = true;
  deliver(context, walk->query, walk->steps[walk->at], answer, walker.reply);
}

/// Asks the cache or an upstream about the step whose CNAMEs the context's answer has.
void ask_upstream(WorkerContext& context, const std::shared_ptr<SearchWalk>& walk, const Walker& walker) {
  const Forwarded step{.index = 0,
                       .query = walk->query,
                       .prefix = std::make_shared<const Answer>(context.answer),
                       .walk = nullptr};
  const size_t cached = answer_from_cache(context, step, walker.transport, context.message);
  if (cached > 0) return take_answer(context, walk, walker, {context.message.data(), cached});
  if (context.forwarder->is_down(step.prefix->chase)) return give_up(*walk, walker);
  if (!walk->patience) {
    walk->patience =
        std::make_unique<TimerQueue::Timer>(context.timers, [weak = std::weak_ptr(walk), walker] {
          if (auto waiting = weak.lock()) give_up(*waiting, walker);
        });
    walk->patience->at(context.poller.now() + kPatience);
  }
  forward(context, step, walker.client, walker.peer, walker.transport,
          [&context, walk, walker](std::span<const uint8_t> answer) {
            take_answer(context, walk, walker, answer);
          });
}

}  // namespace

Query about(const Query& query, const Name& name) {
  Query out = query;
  out.name = name;
  return out;
}

WalkStart start_walk(WorkerContext& context, const Zone& zone, const Query& query, int link,
                     Transport transport, std::span<uint8_t> out, size_t reply) {
  if (!context.config->search_path || !context.links || !zone.synced()) return {};
  auto ns = context.links->namespace_of(link);
  if (ns.empty()) return {};
  auto steps = rest_of_search_path(query.name, ns, zone.options().zone, context.node_search);
  for (size_t i = 0; i < steps.size(); ++i) {
    switch (take_step(context, zone, query, steps[i])) {
      case Found::nothing:
        break;
      case Found::here:
        context.counters.search_path.add();
        return {.size = write_answer(zone, query, context.answer, size_limit(query, transport),
                                     context.rotation++, out),
                .rest = nullptr,
                .found = steps[i]};
      case Found::upstream:
        return {.size = 0,
                .rest = std::make_shared<SearchWalk>(
                    SearchWalk{.query = query,
                               .steps = std::move(steps),
                               .at = i,
                               .not_found = {out.begin(), out.begin() + static_cast<ptrdiff_t>(reply)}}),
                .found = {}};
    }
  }
  return {};
}

void walk_on(WorkerContext& context, const std::shared_ptr<SearchWalk>& walk, const Walker& walker) {
  for (; walk->at < walk->steps.size(); ++walk->at) {
    size_t size = 0;
    Found found = Found::nothing;
    const Name& step = walk->steps[walk->at];
    context.zone.read([&](const Zone& zone) {
      found = take_step(context, zone, walk->query, step);
      if (found == Found::here)
        size = write_answer(zone, walk->query, context.answer, size_limit(walk->query, walker.transport),
                            context.rotation++, context.message);
    });
    if (found == Found::upstream) return ask_upstream(context, walk, walker);
    walk->answered = found == Found::here;
    if (walk->answered)
      return deliver(context, walk->query, step, {context.message.data(), size}, walker.reply);
  }
  give_up(*walk, walker);
}

}  // namespace weft::dns
