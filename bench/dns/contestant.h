#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace weft::bench {

/// A DNS server in a process of its own, on one processor, that answers for cluster.local on 127.0.0.1 and
/// the node's address (pod.h).
class DnsContestant {
 public:
  /// This very program with `serve`: the rooms of `weft dns`, fed by an API server, with an agent there.
  static DnsContestant weft(const std::string& folder, uint16_t port, const std::string& agent);
  /// Theirs is the same zone as a file.
  static DnsContestant knot(const std::string& folder, uint16_t port, int services);
  static DnsContestant unbound(const std::string& folder, uint16_t port, int services);
  /// Fed by the same API server, with what a cluster's usual Corefile has on the way of an answer (metrics at
  /// the port above).
  static DnsContestant coredns(const std::string& program, const std::string& folder, uint16_t port);
  ~DnsContestant();
  DnsContestant(DnsContestant&& other) noexcept;
  DnsContestant& operator=(DnsContestant&&) = delete;

  const std::string& name() const { return name_; }
  uint16_t port() const { return port_; }
  /// Nanoseconds of processor that all its threads have used.
  uint64_t cpu() const;
  /// Resident memory in bytes; the most since `forget_peak`.
  uint64_t memory() const { return status("VmRSS:"); }
  uint64_t peak() const { return status("VmHWM:"); }
  void forget_peak() const;
  /// Stands still until `go_on`: what it would still do belongs to its own turn.
  void pause() const;
  void go_on() const;

 private:
  DnsContestant(std::string name, uint16_t port, const std::vector<std::string>& command,
                const std::string& folder);
  uint64_t status(const char* field) const;

  std::string name_;
  uint16_t port_;
  pid_t pid_;
};

}  // namespace weft::bench
