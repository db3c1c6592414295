#include "dns/search_path.h"

namespace weft::dns {
namespace {

/// The part of `name` before `suffix`, labels only; empty when it does not end so, or there is nothing
/// before.
std::span<const uint8_t> labels_before(const Name& name, const Name& suffix) {
  auto wire = name.wire();
  if (name.size() <= suffix.size()) return {};
  const size_t split = name.size() - suffix.size();
  // Only at a label's border; what looks like the suffix inside a label is not it.
  size_t at = 0;
  while (at < split) at += wire[at] + 1U;
  if (at != split || !same_name(wire.subspan(split), suffix.wire())) return {};
  return wire.first(split);
}

}  // namespace

std::vector<Name> rest_of_search_path(const Name& asked, std::string_view ns, const Name& zone,
                                      std::span<const Name> node_search) {
  Name services, first;
  bool fits = services.append("svc") && services.append(zone.wire()) && first.append(ns) &&
              first.append(services.wire());
  if (!fits) return {};
  auto base = labels_before(asked, first);
  if (base.empty()) return {};
  std::vector<Name> out;
  auto add = [&](const Name& suffix) {
    Name name;
    for (size_t at = 0; at < base.size(); at += base[at] + 1U)
      name.append(std::string_view(reinterpret_cast<const char*>(&base[at + 1]), base[at]));
    // A step that is too long is none: the pod passes over it too.
    if (suffix.is_root() || name.append(suffix.wire())) out.push_back(name);
  };
  add(services);
  add(zone);
  for (const Name& suffix : node_search) add(suffix);
  add(Name());
  return out;
}

}  // namespace weft::dns
