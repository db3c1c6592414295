#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <unordered_map>

#include "base/ip.h"

namespace weft::dns {

/// Who asks: a pod by the node's link to it, which no packet can lie about; anybody else by source address.
struct Client {
  int link = 0;    ///< 0: no pod of this node
  IpAddr address;  ///< of the unspecified address when `link` says who it is
  bool operator==(const Client&) const = default;
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
    const bool within = allow(who, options_.overload_rate, now);
    if (one_of_them_ && who != *one_of_them_) several_until_ = now + options_.overload_lasts;
    one_of_them_ = who;
    if (within || now >= several_until_) return true;
    note_overload(now);
    return false;
  }

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
  };
  struct Hash {
    size_t operator()(const Client& client) const {
      return std::hash<IpAddr>{}(client.address) ^ static_cast<size_t>(client.link) * 0x9e3779b97f4a7c15U;
    }
  };
  Entry& entry(const Client& client);

  Options options_;
  Clock::time_point overloaded_until_{}, several_until_{};
  std::optional<Client> one_of_them_;  ///< who asked last in an overload
  std::list<Entry> entries_;           ///< who asked longest ago first
  std::unordered_map<Client, std::list<Entry>::iterator, Hash> by_client_;
};

}  // namespace weft::dns
