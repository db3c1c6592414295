#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/ip.h"

namespace weft::dns {

/// Who asks: a pod by the node's link to it, which no packet can lie about; anybody else by source address.
struct Client {
  int link = 0;    ///< 0: no pod of this node
  IpAddr address;  ///< what a pod asked from; it counts for nothing then
  bool operator==(const Client& other) const {
    return link == other.link && (link != 0 || address == other.address);
  }
};

/// What one client may take from the others of a thread. A table of bounded size: of those who have nothing
/// under way, who was silent longest is forgotten first. Not thread-safe.
class ClientLimits {
 public:
  using Clock = std::chrono::steady_clock;
  struct Options {
    size_t clients = 8192;                            ///< more than can have something under way
    uint32_t in_flight = 250;                         ///< questions of one client that are with upstreams
    uint32_t overload_rate = 10'000;                  ///< questions a second of one client while overloaded
    std::chrono::milliseconds overload_lasts{5'000};  ///< after the last question that was one too many
  };
  ClientLimits() : ClientLimits(Options{}) {}
  explicit ClientLimits(Options options) : options_(options) {}
  ClientLimits(const ClientLimits&) = delete;
  ClientLimits& operator=(const ClientLimits&) = delete;

  /// Counts a question; false when the client has asked more than `rate` a second. Who was silent may ask a
  /// second's worth at once.
  bool allow(const Client& client, uint32_t rate, Clock::time_point now);

  /// More comes than can be answered: until nobody has asked too much for a while, each client has a limit:
  /// who asks alone takes from nobody, and has none.
  void note_overload(Clock::time_point now) {
    if (now >= overloaded_until_) one_of_them_.reset();
    overloaded_until_ = now + options_.overload_lasts;
  }
  /// Counts a question by the limit in force: what is configured (0: none), else that of an overload. False
  /// when the client has asked too much. `client` is a function: who asks is found out only if it matters.
  template <class Fn>
  bool allow_by(std::optional<uint32_t> configured, Clock::time_point now, Fn&& client) {
    if (configured) return *configured == 0 || allow(client(), *configured, now);
    if (now >= overloaded_until_) return true;
    const Client who = client();
    Entry& known = entry(who);
    const bool within = has_token(known, options_.overload_rate, now);
    if (one_of_them_ && who != *one_of_them_) several_until_ = now + options_.overload_lasts;
    one_of_them_ = who;
    if (within || now >= several_until_) return true;
    note_overload(now);
    return refuse(known);
  }

  /// Who of those that were looked up has asked most since the last call, and how much of all.
  struct Busiest {
    Client client;
    uint64_t asked = 0, of = 0;
  };
  Busiest take_busiest();

  /// That so many of a client's questions were not answered, beside those that were refused here.
  void note_refused(const Client& client, uint64_t count) { refuse(entry(client), count); }
  bool has_refused() const { return refused_; }
  /// Who was refused something since the last call, and how much; who was refused most comes first.
  std::vector<std::pair<Client, uint64_t>> take_refused();

  /// Held for as long as a question is with an upstream; must not outlive the table.
  class Ticket {
   public:
    explicit Ticket(uint32_t& count) : count_(count) { ++count_; }
    ~Ticket() { --count_; }
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;

   private:
    uint32_t& count_;
  };
  /// Null when the client has too many.
  std::shared_ptr<Ticket> begin(const Client& client);

  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    Client client;
    double tokens = 0;
    Clock::time_point counted{};
    uint32_t in_flight = 0;
    uint64_t asked = 0, refused = 0;
  };
  struct Hash {
    size_t operator()(const Client& client) const {
      if (client.link != 0) return static_cast<size_t>(client.link) * 0x9e3779b97f4a7c15U;
      return std::hash<IpAddr>{}(client.address);
    }
  };
  Entry& entry(const Client& client);
  static bool has_token(Entry& known, uint32_t rate, Clock::time_point now);
  bool refuse(Entry& known, uint64_t count = 1) {
    known.refused += count;
    refused_ = true;
    return false;
  }

  Options options_;
  Clock::time_point overloaded_until_{}, several_until_{};
  bool refused_ = false;
  std::optional<Client> one_of_them_;  ///< who asked last in an overload
  std::list<Entry> entries_;           ///< who asked longest ago first
  std::unordered_map<Client, std::list<Entry>::iterator, Hash> by_client_;
};

}  // namespace weft::dns
