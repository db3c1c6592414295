#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>

namespace weft::bench {

/// How clients speak to it.
enum class Front : uint8_t {
  http1,
  http2,  ///< without TLS, by prior knowledge
  tls,    ///< HTTP/1.1 over TLS, with the certificate of make_certificate
};

/// Puts a certificate (ECDSA, P-256) and its key into `folder`: "cert.pem", "key.pem", and "both.pem".
/// Throws.
void make_certificate(const std::string& folder);

/// A proxy in a process of its own, with one worker, that forwards all to a backend on 127.0.0.1.
class Contestant {
 public:
  /// `routes`: 0 for one that takes all, else so many, each of which takes a bench_host() and nothing else.
  static Contestant weft(const std::string& folder, Front front, uint16_t port, uint16_t backend,
                         int routes = 0);
  static Contestant nginx(const std::string& folder, Front front, uint16_t port, uint16_t backend);
  static Contestant haproxy(const std::string& folder, Front front, uint16_t port, uint16_t backend);
  /// Runs `body` in a child.
  static Contestant child(std::string name, uint16_t port, const std::function<void()>& body);
  ~Contestant();
  Contestant(Contestant&& other) noexcept;
  Contestant& operator=(Contestant&&) = delete;

  const std::string& name() const { return name_; }
  uint16_t port() const { return port_; }
  /// Waits until it listens; throws if it does not.
  void wait() const;
  /// What it has used of the processor, in nanoseconds.
  uint64_t cpu() const;
  /// Resident memory in bytes.
  uint64_t memory() const;

 private:
  Contestant(std::string name, uint16_t port, pid_t pid) : name_(std::move(name)), port_(port), pid_(pid) {}
  std::string name_;
  uint16_t port_;
  pid_t pid_;
};

}  // namespace weft::bench
