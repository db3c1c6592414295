#include "dns/forwarder.h"

#include <fmt/core.h>

#include <algorithm>

#include "dns/upstream_order.h"

namespace weft::dns {
namespace {

using std::chrono::milliseconds;
using Clock = Poller::Clock;

/// How long an upstream has before an old answer is served (RFC 8767, 5: less than clients' patience).
constexpr milliseconds kStalePatience{500};

bool is_unhappy(const StoredAnswer& answer) {
  return answer.rcode == Rcode::servfail || answer.rcode == Rcode::refused;
}

}  // namespace

UpstreamCounters& UpstreamBook::of(const Upstream& upstream) {
  std::lock_guard lock(mutex_);
  auto& counters = counters_[(upstream.tls() ? "tls://" : "") + upstream.address.str()];
  if (!counters) counters = std::make_unique<UpstreamCounters>();
  return *counters;
}

void UpstreamBook::each(const std::function<void(const std::string&, const UpstreamCounters&)>& see) const {
  std::lock_guard lock(mutex_);
  for (const auto& [upstream, counters] : counters_) see(upstream, *counters);
}

/// One entry of the configuration with its upstreams' clients.
struct Forwarder::Domain {
  const Forward forward;
  const size_t max_in_flight;
  std::vector<std::unique_ptr<UpstreamClient>> clients;
  size_t in_flight = 0;
  uint32_t turn = 0;

  bool has(const Name& name) const {
    return is_under(name, forward.domain) && std::ranges::none_of(forward.except, [&](const Name& not_meant) {
             return is_under(name, not_meant);
           });
  }
  bool all_down() const {
    return std::ranges::all_of(
        clients, [](const auto& client) { return client->health() == UpstreamClient::Health::down; });
  }
  std::vector<size_t> order(RandomBits& random) {
    std::vector<UpstreamClient::Health> health;
    for (const auto& client : clients) health.push_back(client->health());
    const auto policy = forward.policy;
    uint32_t first = policy == ForwardPolicy::round_robin ? turn++ : 0;
    if (policy == ForwardPolicy::random) first = random.next16();
    return order_of_upstreams(health, policy, first);
  }
};

/// One question until it is answered or given up, and who waits for it.
class Forwarder::Question {
 public:
  Question(Forwarder& forwarder, Domain& domain, const UpstreamQuestion& question)
      : forwarder_(forwarder),
        domain_(domain),
        question_(question),
        order_(domain.order(forwarder.context_.random)),
        hedge_(forwarder.timers_, [this] { on_hedge(); }),
        stale_(forwarder.timers_, [this] { release(nullptr); }) {}
  ~Question() { domain_.in_flight -= counted_; }

  const UpstreamQuestion& question() const { return question_; }

  void start() {
    // Even what ends at once ends later.
    if (!next_try()) hedge_.at(Clock::now());
  }

  void add(Done done, bool has_stale) {
    ++counted_;
    ++domain_.in_flight;
    if (done) waiting_.push_back(std::move(done));
    if (has_stale && !stale_.is_set())
      stale_.at(Clock::now() + (domain_.all_down() ? milliseconds(0) : kStalePatience));
  }

  void release(const StoredAnswer* answer) {
    auto waiting = std::exchange(waiting_, {});
    for (auto& done : waiting) done(answer, answer ? from_ : nullptr);
  }

 private:
  struct Attempt {
    size_t upstream;
    Clock::time_point asked;
    std::unique_ptr<UpstreamTry> handle;  ///< null: over
  };

  bool under_way() const {
    return std::ranges::any_of(attempts_, [](const Attempt& attempt) { return attempt.handle != nullptr; });
  }
  UpstreamClient& client(size_t upstream) { return *domain_.clients[upstream]; }

  bool was_asked(size_t upstream) const {
    return std::ranges::any_of(attempts_,
                               [&](const Attempt& attempt) { return attempt.upstream == upstream; });
  }

  /// The first in order that was not asked yet. One that is down only when there is nothing else to hope for.
  std::optional<size_t> rival() {
    const bool any = (!under_way() && !best_) || domain_.all_down();
    for (size_t upstream : order_) {
      const bool down = client(upstream).health() == UpstreamClient::Health::down;
      if (!was_asked(upstream) && (any || !down)) return upstream;
    }
    return std::nullopt;
  }

  /// Asks the next upstream that can be asked; false when there is none left.
  bool next_try() {
    while (auto upstream = rival()) {
      if (ask(*upstream)) return true;
    }
    return false;
  }

  bool ask(size_t upstream) {
    const size_t place = attempts_.size();
    attempts_.push_back({upstream, Clock::now(), nullptr});
    attempts_.back().handle = client(upstream).ask(
        question_, [this, place](std::span<const uint8_t> message) { on_end(place, message); });
    if (!attempts_.back().handle) return false;
    const auto repeat = domain_.forward.repeat;
    const auto doubled = domain_.forward.hedge * (1 << std::min<size_t>(place, 4));
    hedge_.at(Clock::now() + (rival() ? std::min(doubled, repeat) : repeat));
    return true;
  }

  /// The last one asked has had its time, or nothing could be asked at all.
  void on_hedge() {
    if (!under_way()) return forwarder_.finish(*this, best());
    const Attempt last{attempts_.back().upstream, attempts_.back().asked, nullptr};
    const auto repeat_at = last.asked + domain_.forward.repeat;
    // One that has answered others meanwhile is there, and takes its time for this name.
    const bool there = client(last.upstream).heard() > last.asked;
    if (!there) client(last.upstream).suspect();
    if (there && Clock::now() < repeat_at) return hedge_.at(repeat_at);
    if (next_try() || std::exchange(repeated_, true)) return;
    if (Clock::now() < repeat_at) {
      repeated_ = false;
      return hedge_.at(repeat_at);
    }
    ask(last.upstream);
  }

  void on_end(size_t place, std::span<const uint8_t> message) {
    std::optional<StoredAnswer> answer;
    if (!message.empty()) answer = store_answer(question_, message, forwarder_.bounds());
    if (answer) from_ = &domain_.forward.upstreams[attempts_[place].upstream];
    if (answer && !is_unhappy(*answer)) return forwarder_.finish(*this, &*answer);
    // Its own call is this one: it goes with the question.
    ended_.push_back(std::move(attempts_[place].handle));
    if (message.empty()) client(attempts_[place].upstream).suspect();
    if (answer) best_ = std::move(*answer);
    if (next_try() || under_way()) return;
    forwarder_.finish(*this, best());
  }

  const StoredAnswer* best() const { return best_ ? &*best_ : nullptr; }

  Forwarder& forwarder_;
  Domain& domain_;
  const UpstreamQuestion question_;
  const std::vector<size_t> order_;
  std::vector<Attempt> attempts_;
  std::vector<std::unique_ptr<UpstreamTry>> ended_;
  bool repeated_ = false;
  std::vector<Done> waiting_;
  size_t counted_ = 0;
  const Upstream* from_ = nullptr;    ///< who gave the answer
  std::optional<StoredAnswer> best_;  ///< an unhappy answer, if all say so
  TimerQueue::Timer hedge_, stale_;
};

Forwarder::Forwarder(Poller& poller, Setup setup, OwnQuestions& own, UpstreamBook& book, Counters& counters)
    : config_(std::move(setup.config)),
      cache_(std::move(setup.cache)),
      counters_(counters),
      context_{poller, timers_, own} {
  for (const Forward& forward : config_->forwards) {
    if (forward.upstreams.empty()) continue;
    const size_t share = forward.max_in_flight / static_cast<size_t>(std::max(setup.threads, 1));
    auto domain = std::make_unique<Domain>(forward, std::max<size_t>(share, 1));
    for (const Upstream& upstream : forward.upstreams)
      domain->clients.push_back(
          std::make_unique<UpstreamClient>(context_, upstream, forward, book.of(upstream)));
    auto less_specific = std::ranges::find_if(domains_, [&](const auto& other) {
      return labels_of(other->forward.domain) < labels_of(forward.domain);
    });
    domains_.insert(less_specific, std::move(domain));
  }
  if (setup.find_loops) find_loops();
}

/// What they answer does not matter, but whether the question comes back (see `forward`).
void Forwarder::find_loops() {
  for (const auto& domain : domains_) {
    const UpstreamQuestion question{.name = context_.own.loop_probe(domain->forward.domain)};
    for (const auto& client : domain->clients) {
      const size_t place = loop_probes_.size();
      loop_probes_.push_back(nullptr);
      loop_probes_[place] =
          client->ask(question, [this, place](std::span<const uint8_t>) { loop_probes_[place].reset(); });
    }
  }
}

Forwarder::~Forwarder() = default;

Forwarder::Domain* Forwarder::domain_of(const Name& name) {
  auto found = std::ranges::find_if(domains_, [&](const auto& domain) { return domain->has(name); });
  return found == domains_.end() ? nullptr : found->get();
}

bool Forwarder::is_down(const Name& name) {
  Domain* domain = domain_of(name);
  return domain && domain->all_down();
}

const CacheOptions* Forwarder::bounds() const { return cache_ ? &config_->cache : nullptr; }

Forwarder::Asked Forwarder::ask(const UpstreamQuestion& question, bool has_stale, Done done) {
  Domain* domain = domain_of(question.name);
  if (!domain) return Asked::nobody;
  if (domain->in_flight >= domain->max_in_flight) {
    counters_.forward_overloaded.add();
    return Asked::too_many;
  }
  auto [found, is_new] = questions_.try_emplace(question);
  if (is_new) {
    found->second = std::make_unique<Question>(*this, *domain, question);
    found->second->start();
  } else {
    counters_.forward_coalesced.add();
  }
  found->second->add(std::move(done), has_stale);
  return Asked::yes;
}

/// What an upstream may not say, and what is kept.
void Forwarder::take(const UpstreamQuestion& question, StoredAnswer& answer) {
  const auto& allowed = config_->rebind_allowed;
  const bool may_point = config_->rebind_refused.empty() || std::ranges::any_of(allowed, [&](const Name& n) {
                           return is_under(question.name, n);
                         });
  if (!may_point && points_into(answer, config_->rebind_refused)) {
    counters_.rebind_refused.add();
    answer = refused_answer(question, cache_ ? config_->cache.negative_min : std::chrono::seconds(0));
  }
  if (cache_) counters_.cache.evictions.add(cache_->put(question, answer, Clock::now()));
}

void Forwarder::finish(Question& question, const StoredAnswer* answer) {
  auto node = questions_.extract(question.question());
  if (!answer) return node.mapped()->release(nullptr);
  StoredAnswer taken = *answer;
  take(question.question(), taken);
  node.mapped()->release(&taken);
}

void Forwarder::configure(ConfigPtr config, std::shared_ptr<AnswerCache> cache) {
  config_ = std::move(config);
  cache_ = std::move(cache);
}

void Forwarder::retire() {
  for (auto& domain : domains_) {
    for (auto& client : domain->clients) client->retire();
  }
}

}  // namespace weft::dns
