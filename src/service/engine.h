#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "base/error.h"
#include "datapath/service_socket.h"
#include "service/plan.h"

namespace weft::service {

/// Keeps one node's Service maps equal to the plans, by difference. What it programs stays in the kernel when
/// it goes: a later engine on the same `bpf_dir` takes over where this one stopped, at whatever instruction
/// that was. Not thread-safe; call it from the loop that the informers run on.
///
///   services.on_change([&](auto& before, auto& after) { engine->service_changed(before, after); });
///   slices.on_change([&](auto& before, auto& after) { engine->slice_changed(before, after); });
///   when both informers have synced: engine->synced();
class ServiceEngine {
 public:
  struct Options {
    std::string bpf_dir;      ///< a folder of this node's own on a bpffs; made if absent
    std::string cgroup_path;  ///< the node's cgroup (v2): its processes get Services
    NodeFacts node;
    datapath::ServiceMapSizes sizes;
    /// Told when a Service ("namespace/name") cannot be programmed, and why, and with nullptr when it can be
    /// again. Once for each reason.
    std::function<void(const std::string& service, const Error* why)> on_failing;
    /// Told when to call `wake`; what was told before does not count any more.
    std::function<void(std::chrono::steady_clock::time_point)> wake_at;
  };

  /// What is programmed, and what could not be.
  struct Stats {
    size_t services = 0;
    size_t frontends = 0;  ///< entries, those for whole addresses included
    size_t slots = 0;
    size_t backends = 0;
    uint64_t kernel_writes = 0;            ///< entries written or removed since open
    uint64_t destroyed_udp_sockets = 0;    ///< connected to backends that stopped serving
    std::map<std::string, Error> failing;  ///< by Service; the kernel keeps their last good state
    /// Services whose policy is Local, with usable endpoints elsewhere but none here: for clients inside the
    /// cluster, and for others.
    size_t no_local_internal = 0, no_local_external = 0;
  };

  /// What somebody who looks on is told. Neither may call the engine.
  struct Observer {
    /// The Service was programmed with these slices, or tried to; no `service`: it is gone.
    std::function<void(const std::string& key, const ServicePtr& service, std::span<const SlicePtr> slices)>
        service;
    /// A change, or a comparison of everything, has been dealt with. Not `complete`: the kernel lags behind.
    std::function<void(std::chrono::steady_clock::duration took, bool complete)> round;
  };

  /// Loads the programs (or takes over the running ones) and reads what the kernel has. Connections are
  /// balanced from here on if an earlier engine had programmed Services, else from `synced` on.
  static Expected<std::unique_ptr<ServiceEngine>> open(Options options);
  ~ServiceEngine();
  ServiceEngine(const ServiceEngine&) = delete;
  ServiceEngine& operator=(const ServiceEngine&) = delete;

  /// As kube::Informer reports changes: no `before` means added, no `after` means deleted. Programmed at
  /// once, but nothing is before `synced`.
  void service_changed(const ServicePtr& before, const ServicePtr& after);
  void slice_changed(const SlicePtr& before, const SlicePtr& after);
  /// Both caches are complete: programs all that differs, removes what nothing asks for any more, and
  /// attaches the programs if they do not run yet. Fails if they cannot be attached.
  Expected<void> synced();

  /// The node has other addresses, or is in another zone.
  void node_changed(NodeFacts node);

  /// Ends the UDP sockets whose time is over (service/stale_udp.h).
  void wake();

  void observe(Observer observer);
  Stats stats() const;
  /// Whose maps the node edge's programs use too.
  const datapath::ServiceSocket& socket() const;

 private:
  struct Impl;
  explicit ServiceEngine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::service
