#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/domain_messages.h"
#include "dns/codec.h"
#include "dns/poller.h"

namespace weft::dns {

/// The addresses that an answer gives to the name that was asked for, along its CNAMEs in the order in which
/// they stand; each for as long as the shortest of the records that lead to it (RFC 2181, 8). Empty for what
/// is no answer.
std::vector<domain_feed::TimedAddress> addresses_of(const Name& asked, std::span<const uint8_t> message);

/// Tells the node's agent what names that policies ask for were answered to have, and holds such an answer
/// until its addresses are in force; and that links may answer for this server (base/domain_messages.h).
/// Finds the agent again when it was away, and tells it then what it has missed. One thread.
class DomainFeed : public Poller::Handler {
 public:
  struct Options {
    std::string socket;                         ///< the agent's; empty: nobody is told anything
    std::chrono::milliseconds patience{100};    ///< for which an answer is held
    std::chrono::milliseconds look_again{200};  ///< for the agent
    size_t max_untold = 1000;                   ///< answers that the agent has not yet; others go as they are
    /// What links are to answer like, as of now; nothing: they are not to. Without it nothing is said of
    /// that.
    std::function<std::optional<domain_feed::Serving>()> serving{};
    std::chrono::milliseconds serving_each{250};
  };
  using Send = std::function<void(std::span<const uint8_t>)>;

  DomainFeed(Poller& poller, Options options);
  ~DomainFeed() override;

  /// Waits, at most for so long, until an agent that is there has told which names policies ask for.
  void meet(std::chrono::milliseconds patience);
  bool wants(const Query& query) const {
    return !asked_.empty() && query.has_question && is_asked(query.name);
  }
  /// Gives the answer to `send`: at once if there is no need to wait, else when its addresses are in force,
  /// or that takes too long. `query` is one that is wanted.
  void deliver(const Query& query, std::span<const uint8_t> answer, Send send);

  Poller::Clock::time_point next_deadline() const;
  void expire(Poller::Clock::time_point now);
  /// How many answers went before their addresses were in force.
  uint64_t late() const { return late_; }

  void on_ready(uint32_t events) override;

 private:
  /// An answer that the agent has not said to be in force.
  struct Untold {
    std::string name;
    std::vector<domain_feed::TimedAddress> addresses;
    Poller::Clock::time_point since;
    std::vector<uint8_t> held;
    Send send;  ///< empty: it has gone
  };

  bool is_asked(const Name& name) const;
  bool look_for_agent();
  void lose_agent(const char* why);
  void tell(uint32_t number, const Untold& answer);
  void tell_all();
  bool receive();
  bool take(domain_feed::Message message);
  bool flush();
  void release(Untold& answer, bool in_time);
  void note_late();
  void tell_serving(Poller::Clock::time_point now);

  Poller& poller_;
  Options options_;
  Fd fd_;
  Poller::Clock::time_point look_at_{};
  domain_feed::Reader reader_;
  std::string out_;  ///< what the socket did not take yet
  bool blocked_ = false;
  std::unordered_set<std::string> asked_;
  std::unordered_set<std::string> hearing_;  ///< what a new connection has told so far
  bool complete_ = false;                    ///< it has told all
  uint32_t number_ = 0;
  std::map<uint32_t, Untold> untold_;
  std::map<uint32_t, Poller::Clock::time_point> held_;  ///< numbers in the order of their deadlines
  uint64_t late_ = 0;
  Poller::Clock::time_point serving_at_ = Poller::Clock::time_point::max();  ///< to be told next
  bool serving_ = false;                                                     ///< was told last
  Poller::Clock::time_point late_told_{};
  bool missed_ = false;  ///< that there is no agent was told
};

}  // namespace weft::dns
