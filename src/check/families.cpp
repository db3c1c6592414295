#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "check/context.h"
#include "service/plan.h"

/// Addresses of a family that the Service, or what is behind it, does not have.
namespace weft::check {
namespace {

const char* family_of(const IpAddr& address) { return address.is_v4() ? "IPv4" : "IPv6"; }

class FamilyCheck {
 public:
  FamilyCheck(const Context& context, std::string key, const kube::Service& service)
      : context_(context),
        key_(std::move(key)),
        service_(service),
        families_(service.spec.ipFamilies.begin(), service.spec.ipFamilies.end()) {
    const auto* address = context.written("Service", key_, "spec.clusterIP");
    stated_ = context.written("Service", key_, "spec.ipFamilies") ||
              context.written("Service", key_, "spec.clusterIPs") ||
              (address && address->is_string() && address->get_string() != "None") ||
              service.spec.ipFamilyPolicy == "RequireDualStack";
    single_ = families_.size() == 1;
  }

  void run() const {
    if (service_.spec.type == "ExternalName") return check_external_name();
    if (families_.empty()) return;
    check_slices();
    check_pods();
    check_external_ips();
    check_ranges();
  }

 private:
  trace::ObjectRef at(const std::string& part) const {
    return context_.world.origins.find("Service", key_, part);
  }
  std::string families_text() const { return single_ ? *families_.begin() : std::string("IPv4 and IPv6"); }

  /// A Service with this type is an alias of a name; DNS has no names of addresses.
  void check_external_name() const {
    if (!IpAddr::parse(service_.spec.externalName)) return;
    context_.add("WEFT0130", Severity::error, at("spec.externalName"),
                 fmt::format("{} is an address: DNS is asked for a name of these digits, which nobody has",
                             service_.spec.externalName),
                 "Name a host, or make a Service without selector and an EndpointSlice with the address");
  }

  /// What somebody has written for a Service without selector.
  void check_slices() const {
    auto all = context_.world.slices.find(key_);
    if (!service_.spec.selector.empty() || all == context_.world.slices.end()) return;
    std::set<std::string> have;
    for (const auto& slice : all->second) {
      if (service::is_mesh(*slice) || slice->addressType == "FQDN") continue;
      have.insert(slice->addressType);
      if (families_.contains(slice->addressType)) continue;
      auto slice_key = trace::key_of(slice->metadata.namespace_, slice->metadata.name);
      auto where = context_.world.origins.find("EndpointSlice", slice_key, "addressType");
      if (stated_)
        context_.add("WEFT0111", Severity::error, where,
                     fmt::format("its addresses are {}, those of Service {} are {}: nobody is led there",
                                 slice->addressType, key_, families_text()),
                     "Give the Service that family (spec.ipFamilies), or the slice addresses of the other");
      else if (single_)
        context_.add(
            "WEFT0111", Severity::note, where,
            fmt::format("its addresses are {}; Service {} has those of the cluster's first family alone",
                        slice->addressType, key_),
            fmt::format("Write spec.ipFamilies: [{}] in the Service", slice->addressType));
    }
    if (have.empty() || single_) return;
    for (const auto& family : families_) {
      if (!have.contains(family))
        context_.add(
            "WEFT0111", Severity::warning, at("spec.ipFamilies"),
            fmt::format("it has an {} address, and no EndpointSlice for it: who asks there is refused",
                        family),
            fmt::format("Add a slice with addressType {}, or ask for one family", family));
    }
  }

  /// The families of a pod's addresses, where manifests say them.
  std::set<std::string> families_of(const kube::Pod& pod) const {
    auto key = trace::key_of(pod.metadata.namespace_, pod.metadata.name);
    bool said = context_.written("Pod", key, "status.podIPs") ||
                context_.written("Node", pod.spec.nodeName, "spec.podCIDR") ||
                context_.written("Node", pod.spec.nodeName, "spec.podCIDRs");
    std::set<std::string> out;
    if (!said) return out;
    for (const auto& ip : pod.status.podIPs) {
      if (auto address = IpAddr::parse(ip.ip)) out.insert(family_of(*address));
    }
    return out;
  }

  void check_pods() const {
    auto pods = context_.pods.selected(service_.metadata.namespace_, service_.spec.selector);
    std::set<std::string> have;
    for (const auto& pod : pods) {
      auto families = families_of(*pod);
      if (families.empty()) return;
      have.merge(families);
    }
    if (have.empty() || !stated_) return;
    for (const auto& family : families_) {
      if (have.contains(family)) continue;
      context_.add("WEFT0111", single_ ? Severity::error : Severity::warning, at("spec.ipFamilies"),
                   fmt::format("it has an {} address, and {} has none: who asks there is refused", family,
                               context_.pods.owner_of(*pods.front())),
                   fmt::format("Ask for {} (spec.ipFamilies)", *have.begin()));
    }
  }

  void check_external_ips() const {
    std::set<std::string> seen;
    for (size_t i = 0; i < service_.spec.externalIPs.size(); ++i) {
      auto address = IpAddr::parse(service_.spec.externalIPs[i]);
      if (!address) continue;
      seen.insert(family_of(*address));
      if (families_.contains(family_of(*address)) || (!stated_ && seen.size() < 2)) continue;
      context_.add(
          "WEFT0111", Severity::error, at(fmt::format("spec.externalIPs[{}]", i)),
          fmt::format("{} is {}, and the Service has one family{}: nobody answers there", address->str(),
                      family_of(*address), stated_ ? ", " + families_text() : std::string()),
          "Ask for both families (spec.ipFamilyPolicy: RequireDualStack)");
    }
  }

  /// Lists that let in whom they do not seem to, or nobody.
  void check_ranges() const {
    const auto& ranges = service_.spec.loadBalancerSourceRanges;
    std::set<std::string> have;
    for (size_t i = 0; i < ranges.size(); ++i) {
      auto range = IpPrefix::parse(ranges[i]);
      if (!range) continue;
      have.insert(family_of(range->addr));
      if (range->length == 0 && others_of(*range))
        context_.add("WEFT0114", Severity::warning, at(fmt::format("spec.loadBalancerSourceRanges[{}]", i)),
                     fmt::format("{} lets everybody in, so that the other ranges mean nothing", range->str()),
                     "Take it out, or the others");
    }
    if (have.empty() || (!stated_ && single_)) return;
    for (const auto& family : families_) {
      if (have.contains(family)) continue;
      context_.add(
          "WEFT0114", single_ ? Severity::error : Severity::warning, at("spec.loadBalancerSourceRanges"),
          fmt::format("the Service has {} addresses, and no range is of that family: Weft lets nobody "
                      "in there, kube-proxy everybody",
                      family),
          fmt::format("Add an {} range", family));
    }
    if (single_ && have.contains(*families_.begin())) check_idle_ranges();
  }

  /// Ranges of whose addresses nobody can come.
  void check_idle_ranges() const {
    const auto& ranges = service_.spec.loadBalancerSourceRanges;
    for (size_t i = 0; i < ranges.size(); ++i) {
      auto range = IpPrefix::parse(ranges[i]);
      if (!range || families_.contains(family_of(range->addr))) continue;
      context_.add("WEFT0114", Severity::warning, at(fmt::format("spec.loadBalancerSourceRanges[{}]", i)),
                   fmt::format("{} is {}, and the Service has {} addresses alone: the range lets nobody in",
                               range->str(), family_of(range->addr), families_text()),
                   "Take it out, or ask for both families (spec.ipFamilyPolicy: RequireDualStack)");
    }
  }

  bool others_of(const IpPrefix& all) const {
    return std::ranges::any_of(service_.spec.loadBalancerSourceRanges, [&](const auto& text) {
      auto range = IpPrefix::parse(text);
      return range && range->length > 0 && range->addr.is_v4() == all.addr.is_v4();
    });
  }

  const Context& context_;
  const std::string key_;
  const kube::Service& service_;
  const std::set<std::string> families_;
  bool stated_ = false;  ///< by the manifest, not by what a cluster's first family is
  bool single_ = false;
};

}  // namespace

void check_families(const Context& context) {
  for (const auto& [key, service] : context.world.services) {
    if (context.is_written("Service", key)) FamilyCheck(context, key, *service).run();
  }
}

}  // namespace weft::check
