#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/health.h"
#include "service/plan.h"

/// A Service that has an endpoint on each node, which the node's own pods use (spec.trafficDistribution
/// PreferSameNode), must not be lost with that endpoint until the API has heard of it. So the node itself
/// follows its own endpoint of Services that ask for it, and while that is down its pods are given others.
/// For cluster DNS.
namespace weft::service {

/// On the Service; its value says how an endpoint is asked. "dns" is the only one: a question over TCP.
inline constexpr std::string_view kLocalCheckAnnotation = "weft.dev/local-check";

/// Who is followed.
struct CheckTarget {
  IpAddr addr;
  uint16_t port = 0;
  auto operator<=>(const CheckTarget&) const = default;
};
using Verdicts = std::map<CheckTarget, Health>;  ///< of those of whom something is known

struct LocalCheckPlan {
  /// The node's own endpoints, and while all of them are down a few of other nodes.
  std::vector<CheckTarget> targets;
  /// The slice as it is to be taken: without endpoints that are down; those that end, or are not among those
  /// few, are not ready. The same object if nothing differs.
  SlicePtr slice;
};
/// Pure. Never leaves less than the API has if all that is known is bad: without anybody else who is ready
/// the node's own endpoint stays, and with nobody who answers all others do.
LocalCheckPlan plan_local_check(const SlicePtr& slice, const std::string& node, const Verdicts& verdicts);

/// Stands between those who report changes of Services and slices and the engine. Not thread-safe.
class LocalChecks {
 public:
  using OnVerdict = std::function<void(Health health, const std::string& why)>;
  struct Options {
    std::string node;
    /// Follows one endpoint until the result is dropped; never calls `on_verdict` from inside. `asked`: a
    /// cluster address of the Service.
    std::function<std::shared_ptr<void>(const CheckTarget& target, const IpAddr& asked, OnVerdict on_verdict)>
        follow;
    /// All slices of a Service that the API has.
    std::function<std::vector<SlicePtr>(const std::string& service)> slices_of;
    /// A slice as it is to be taken; as kube::Informer reports changes.
    std::function<void(const SlicePtr& before, const SlicePtr& after)> on_slice;
  };
  explicit LocalChecks(Options options) : options_(std::move(options)) {}

  void service_changed(const ServicePtr& before, const ServicePtr& after);
  void slice_changed(const SlicePtr& before, const SlicePtr& after);

 private:
  struct Checked {
    IpAddr asked;
    struct Slice {
      SlicePtr real, shown;
    };
    std::map<std::string, Slice> slices;  ///< by name
    std::map<CheckTarget, std::shared_ptr<void>> followed;
    Verdicts verdicts;
  };
  void refresh(const std::string& key, Checked& checked);
  void follow(const std::string& key, Checked& checked, const CheckTarget& target);
  void verdict(const std::string& key, const CheckTarget& target, Health health, const std::string& why);
  void end(const std::string& key);

  Options options_;
  std::map<std::string, Checked> checked_;  ///< by Service
};

}  // namespace weft::service
