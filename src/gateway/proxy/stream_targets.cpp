#include "gateway/proxy/stream_targets.h"

#include <algorithm>
#include <string>

namespace weft::gateway {
namespace {

constexpr size_t kMostTries = 3;

template <class T>
const T* find(const std::shared_ptr<const SharedMap<T>>& map, const std::string& key) {
  if (!map) return nullptr;
  auto at = map->find(key);
  return at == map->end() ? nullptr : at->second.get();
}

/// nullptr: the reference is not valid, or must not be used.
const Backend* usable_backend(const WeightedBackend& to, const Snapshot& snapshot) {
  const Backend* backend = find(snapshot.backends, to.backend);
  return backend && !backend->broken ? backend : nullptr;
}

}  // namespace

StreamTargets stream_targets(const CompiledStream& stream, const Snapshot& snapshot, uint64_t turn) {
  StreamTargets targets;
  auto index = stream.shares.next();
  if (!index) return targets;
  targets.name = stream.route->backends[*index].backend;
  targets.backend = usable_backend(stream.route->backends[*index], snapshot);
  if (!targets.backend) return targets;
  const Endpoints* all = find(snapshot.endpoints, targets.backend->endpoints);
  if (!all) return targets;
  for (size_t i = 0; i < std::min(all->size(), kMostTries); ++i)
    targets.endpoints.push_back((*all)[(turn + i) % all->size()]);
  return targets;
}

bool is_stream_target(const StreamRoute& route, const Snapshot& snapshot, const Endpoint& endpoint) {
  return std::ranges::any_of(route.backends, [&](const WeightedBackend& to) {
    const Backend* backend = to.weight > 0 ? usable_backend(to, snapshot) : nullptr;
    const Endpoints* all = backend ? find(snapshot.endpoints, backend->endpoints) : nullptr;
    return all && std::ranges::find(*all, endpoint) != all->end();
  });
}

}  // namespace weft::gateway
