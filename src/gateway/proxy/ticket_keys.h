#pragma once

#include <openssl/types.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <span>

namespace weft::gateway {

/// How long new session tickets are made with the same key.
inline constexpr std::chrono::hours kTicketKeyUse{1};
/// How long a ticket may be resumed (RFC 8446, 4.6.1: at most 7 days).
inline constexpr std::chrono::hours kTicketLife{2};

/// The keys of session tickets: whoever learns one can read what was sent in sessions that were resumed
/// without a new exchange of keys, so each is used for a while only and forgotten with its last ticket. For
/// any number of threads.
class TicketKeys {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  struct Key {
    std::array<uint8_t, 16> name;
    std::array<uint8_t, 32> cipher;
    std::array<uint8_t, 32> mac;
    TimePoint since;
  };

  /// For new tickets; nothing: there is no randomness.
  std::optional<Key> current(TimePoint now);
  /// The one with this name, if its tickets may still be resumed.
  std::optional<Key> find(std::span<const uint8_t, 16> name, TimePoint now);

  /// Makes the tickets of connections of this context, and of those that its connections change to, with
  /// these keys. False: OpenSSL refuses.
  [[nodiscard]] bool serve(SSL_CTX* context);
  /// Of a connection of that context; the keys have to outlive it.
  void serve(SSL* ssl);

 private:
  std::mutex mutex_;
  std::deque<Key> keys_;  ///< the newest first
};

}  // namespace weft::gateway
