#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
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
    size_t clients = 8192;     ///< more than can have something under way
    uint32_t in_flight = 250;  ///< questions of one client that are with upstreams
  };
  ClientLimits() : ClientLimits(Options{}) {}
  explicit ClientLimits(Options options) : options_(options) {}
  ClientLimits(const ClientLimits&) = delete;
  ClientLimits& operator=(const ClientLimits&) = delete;

  /// Counts a question; false when the client has asked more than `rate` a second. Who was silent may ask a
  /// second's worth at once.
  bool allow(const Client& client, uint32_t rate, Clock::time_point now);

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
  std::list<Entry> entries_;  ///< who asked longest ago first
  std::unordered_map<Client, std::list<Entry>::iterator, Hash> by_client_;
};

}  // namespace weft::dns
