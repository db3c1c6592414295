#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "dns/answer_cache.h"
#include "dns/config.h"
#include "dns/counters.h"
#include "dns/upstream_client.h"

namespace weft::dns {

/// What one thread counts of its upstreams, by "10.0.0.1:53" or "tls://10.0.0.1:853". Entries stay.
class UpstreamBook {
 public:
  UpstreamCounters& of(const Upstream& upstream);
  /// Of another thread.
  void each(const std::function<void(const std::string&, const UpstreamCounters&)>& see) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::unique_ptr<UpstreamCounters>> counters_;
};

/// Asks upstreams what is not the cluster's: the most specific domain that has the name says whom. An
/// upstream that has not answered within `Forward::hedge` gets a rival, and is asked last until it answers
/// anything; one that says SERVFAIL or REFUSED is followed by the next. Equal questions are asked once. One
/// thread.
class Forwarder {
 public:
  struct Setup {
    ConfigPtr config;
    std::shared_ptr<AnswerCache> cache;  ///< where answers go; may be null
    int threads = 1;                     ///< that share `Forward::max_in_flight`
    bool find_loops = false;             ///< each upstream is asked once for `OwnQuestions::loop_probe`
  };
  enum class Asked {
    yes,
    nobody,    ///< there is no upstream for the name
    too_many,  ///< are in flight
  };
  /// The answer, or null when no upstream gave one in time.
  using Done = std::function<void(const StoredAnswer*, const Upstream* from)>;

  Forwarder(Poller& poller, Setup setup, OwnQuestions& own, UpstreamBook& book, Counters& counters);
  ~Forwarder();

  /// `done` is called later, never from in here; empty: the answer is only for the cache. With `has_stale`
  /// an old answer is at hand: `done` is called with null when it is time to use that, at once if all
  /// upstreams are down, and the question goes on for the cache.
  Asked ask(const UpstreamQuestion& question, bool has_stale, Done done);

  /// Whether all who would be asked for a name are known to be down.
  bool is_down(const Name& name);

  /// Takes a configuration with the same forwards.
  void configure(ConfigPtr config, std::shared_ptr<AnswerCache> cache);
  /// No health checks any more: it will be destroyed when it is idle.
  void retire();
  bool idle() const { return questions_.empty(); }

  Poller::Clock::time_point next_deadline() const { return timers_.next_deadline(); }
  void expire(Poller::Clock::time_point now) { timers_.expire(now); }

 private:
  struct Domain;
  class Question;
  void find_loops();
  struct HashQuestion {
    size_t operator()(const UpstreamQuestion& question) const { return hash_of(question, 0); }
  };
  Domain* domain_of(const Name& name);
  const CacheOptions* bounds() const;
  void finish(Question& question, const StoredAnswer* answer);
  void take(const UpstreamQuestion& question, StoredAnswer& answer);

  ConfigPtr config_;
  std::shared_ptr<AnswerCache> cache_;
  Counters& counters_;
  TimerQueue timers_;
  UpstreamContext context_;
  std::vector<std::unique_ptr<Domain>> domains_;  ///< the most specific first
  std::unordered_map<UpstreamQuestion, std::unique_ptr<Question>, HashQuestion> questions_;
  std::vector<std::unique_ptr<UpstreamTry>> loop_probes_;  ///< null: answered
};

}  // namespace weft::dns
