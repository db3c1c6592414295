#include "standalone/apiserver/kind_table.h"

#include <algorithm>

#include "kube/registry.h"

namespace weft::standalone {
namespace {

/// Upstream's definitions say more than our types: older versions, the fields and rules of both channels.
constexpr std::string_view kYields = "gateway.networking.k8s.io";

ServedKind built_in(const kube::KindInfo& kind) {
  ServedKind out{.info = kind.resource,
                 .list_kind = kind.resource.kind + "List",
                 .schema = kind.schema,
                 .has_status = kind.has_status,
                 .yields = kind.resource.group == kYields,
                 .storage_version = kind.resource.api_version()};
  if (kind.has_scale) out.scale = ScalePaths{".spec.replicas", ".status.replicas", ""};
  return out;
}

/// Moves the kinds that match from one list to the end of another.
template <class Match>
void move_kinds(std::vector<ServedKindPtr>& from, std::vector<ServedKindPtr>& to, Match match) {
  std::ranges::copy_if(from, std::back_inserter(to), match);
  std::erase_if(from, match);
}

template <class Match>
ServedKindPtr first(const std::vector<ServedKindPtr>& kinds, Match match) {
  auto found = std::ranges::find_if(kinds, match);
  return found == kinds.end() ? nullptr : *found;
}

}  // namespace

KindTable::KindTable() {
  for (const auto& kind : kube::builtin_kinds())
    kinds_.push_back(std::make_shared<ServedKind>(built_in(kind)));
  kinds_.push_back(std::make_shared<ServedKind>(built_in(crd_kind())));
}

ServedKindPtr KindTable::find(std::string_view group, std::string_view version,
                              std::string_view plural) const {
  return first(kinds_, [&](const ServedKindPtr& kind) {
    return kind->info.plural == plural && kind->info.group == group && kind->info.version == version;
  });
}

ServedKindPtr KindTable::find_kind(std::string_view api_version, std::string_view name) const {
  auto exact = first(kinds_, [&](const ServedKindPtr& kind) {
    return kind->info.kind == name && kind->info.api_version() == api_version;
  });
  if (exact) return exact;
  auto slash = api_version.find('/');
  auto group = slash == std::string_view::npos ? std::string_view() : api_version.substr(0, slash);
  return first(kinds_, [&](const ServedKindPtr& kind) {
    return kind->info.kind == name && kind->info.group == group;
  });
}

ServedKindPtr KindTable::find_stored(std::string_view store_key) const {
  return first(kinds_, [&](const ServedKindPtr& kind) { return kind->store_key() == store_key; });
}

void KindTable::serve_custom(const std::vector<CrdVersion>& versions) {
  if (versions.empty()) return;
  auto key = versions[0].resource.group + "/" + versions[0].resource.plural;
  remove_custom(key);
  move_kinds(kinds_, yielded_,
             [&](const ServedKindPtr& kind) { return kind->yields && kind->store_key() == key; });
  auto storage = std::ranges::find_if(versions, &CrdVersion::storage);
  for (const auto& version : versions) {
    if (!version.served) continue;
    kinds_.push_back(std::make_shared<ServedKind>(ServedKind{
        .info = version.resource,
        .list_kind = version.list_kind,
        .schema = version.schema,
        .has_status = version.has_status,
        .scale = version.scale,
        .custom = true,
        .columns = version.columns,
        .selectable_fields = version.selectable_fields,
        .warning = version.deprecated ? version.deprecation_warning : std::string(),
        .storage_version = (storage == versions.end() ? version : *storage).resource.api_version()}));
  }
}

void KindTable::remove_custom(const std::string& store_key) {
  std::erase_if(kinds_,
                [&](const ServedKindPtr& kind) { return kind->custom && kind->store_key() == store_key; });
  move_kinds(yielded_, kinds_, [&](const ServedKindPtr& kind) { return kind->store_key() == store_key; });
  ++generation_;
}

}  // namespace weft::standalone
