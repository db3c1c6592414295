#include "datapath/pod_policy.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>
#include <net/if.h>

#include <cerrno>
#include <filesystem>
#include <vector>

#include "policy_maps.skel.h"

namespace weft::datapath {
namespace {

namespace fs = std::filesystem;

struct Destroy {
  void operator()(policy_maps_bpf* skeleton) const { policy_maps_bpf::destroy(skeleton); }
};
using Object = std::unique_ptr<policy_maps_bpf, Destroy>;

std::string layout_name() { return fmt::format("v{}", WEFT_POLICY_LAYOUT); }

/// The folder of the maps of this layout. Programs that use others hold them themselves.
Expected<std::string> make_folder(const std::string& bpf_dir) {
  auto root = bpf_dir + "/policy", layout = layout_name();
  std::error_code error;
  fs::create_directories(root + "/" + layout, error);
  if (error) return fail_errno("make folder " + root, error.value());
  for (const auto& entry : fs::directory_iterator(root, error)) {
    if (entry.path().filename() != layout) fs::remove_all(entry.path(), error);
  }
  return root + "/" + layout;
}

Expected<Object> load(const std::string& folder, const PodPolicy::Sizes& sizes) {
  Object object(policy_maps_bpf::open());
  if (!object) return fail_errno("open BPF object policy_maps", errno);
  bpf_map__set_max_entries(object->maps.identities, sizes.identities);
  bpf_map__set_max_entries(object->maps.verdicts, sizes.verdicts);
  bpf_map* map;
  bpf_object__for_each_map(map, object->obj)
      bpf_map__set_pin_path(map, (folder + "/" + bpf_map__name(map)).c_str());
  if (int rc = policy_maps_bpf::load(object.get()); rc != 0)
    return fail_errno("make the policy maps in " + folder, -rc);
  return object;
}

template <class Map>
Expected<Map> typed(const bpf_map* map) {
  WEFT_TRY(auto raw, RawMap::duplicate(bpf_map__fd(map)));
  return Map::of(std::move(raw));
}

template <class Map>
Expected<Map> pinned(const std::string& path) {
  WEFT_TRY(auto raw, RawMap::open(path));
  return Map::of(std::move(raw));
}

}  // namespace

const PodPolicy::Sizes PodPolicy::kSizes{};

Expected<PodPolicy> PodPolicy::open(const std::string& bpf_dir, const Sizes& sizes) {
  PodPolicy out;
  WEFT_TRY(out.folder_, make_folder(bpf_dir));
  WEFT_TRY(auto object, load(out.folder_, sizes));
  const auto& maps = object->maps;
  WEFT_TRY(out.identities_, typed<Identities>(maps.identities));
  WEFT_TRY(out.verdicts_, typed<Verdicts>(maps.verdicts));
  WEFT_TRY(out.pods_, typed<Pods>(maps.policy_pods));
  WEFT_TRY(out.links_, typed<Links>(maps.policy_links));
  WEFT_TRY(out.flows_, typed<Flows>(maps.policy_flows));
  WEFT_TRY(out.young_, typed<Young>(maps.policy_young));
  WEFT_TRY(out.settings_, typed<ArrayMap<weft_policy>>(maps.policy_settings));
  WEFT_TRY(out.counters_, RawMap::duplicate(bpf_map__fd(maps.policy_counters)));
  return out;
}

Expected<PodPolicy> PodPolicy::find(const std::string& bpf_dir) {
  PodPolicy out;
  out.folder_ = bpf_dir + "/policy/" + layout_name();
  WEFT_TRY(out.identities_, pinned<Identities>(out.folder_ + "/identities"));
  WEFT_TRY(out.verdicts_, pinned<Verdicts>(out.folder_ + "/verdicts"));
  WEFT_TRY(out.pods_, pinned<Pods>(out.folder_ + "/policy_pods"));
  WEFT_TRY(out.links_, pinned<Links>(out.folder_ + "/policy_links"));
  WEFT_TRY(out.flows_, pinned<Flows>(out.folder_ + "/policy_flows"));
  WEFT_TRY(out.young_, pinned<Young>(out.folder_ + "/policy_young"));
  WEFT_TRY(out.settings_, pinned<ArrayMap<weft_policy>>(out.folder_ + "/policy_settings"));
  WEFT_TRY(out.counters_, RawMap::open(out.folder_ + "/policy_counters"));
  return out;
}

Expected<void> PodPolicy::raise_revision() const {
  WEFT_TRY(auto settings, settings_.get());
  ++settings.revision;
  return settings_.set(settings);
}

Expected<void> PodPolicy::withdraw(uint32_t link) const {
  uint32_t place = link % WEFT_POLICY_LINKS;
  WEFT_TRY(auto now, links_.lookup(place));
  if (!now || now->link != link) return {};
  return links_.update(place, {now->pod, 0, 0});
}

// Whoever is killed on the way leaves a pod that is looked up in the hash map, never one that is in the array
// as it is no more. A place there is not taken from another link: a program may be reading it.
Expected<void> PodPolicy::set_pod(uint32_t link, const weft_policy_pod& pod) const {
  WEFT_CHECK(withdraw(link));
  WEFT_CHECK(pods_.update(link, pod));
  uint32_t place = link % WEFT_POLICY_LINKS;
  WEFT_TRY(auto now, links_.lookup(place));
  if (!now || now->link != 0) return {};
  WEFT_CHECK(links_.update(place, {pod, 0, 0}));
  return links_.update(place, {pod, link, 0});
}

Expected<void> PodPolicy::erase_pod(uint32_t link) const {
  WEFT_CHECK(withdraw(link));
  WEFT_CHECK(pods_.erase(link));
  return {};
}

Expected<std::optional<weft_policy_pod>> PodPolicy::pod_at(uint32_t link) const {
  WEFT_TRY(auto quick, links_.lookup(link % WEFT_POLICY_LINKS));
  if (quick && quick->link == link) return quick->pod;
  return pods_.lookup(link);
}

Expected<void> PodPolicy::introduce(std::span<const int> links) const {
  for (int link : links) {
    WEFT_TRY(auto known, pods_.lookup(static_cast<uint32_t>(link)));
    if (!known) WEFT_CHECK(set_pod(static_cast<uint32_t>(link), {}));
  }
  return {};
}

Expected<void> PodPolicy::forget_gone_links() const {
  WEFT_TRY(auto pods, pods_.read_all());
  char name[IF_NAMESIZE];
  for (const auto& [link, pod] : pods) {
    if (if_indextoname(link, name) == nullptr && errno == ENXIO) WEFT_CHECK(erase_pod(link));
  }
  return {};
}

Expected<std::array<uint64_t, WEFT_POLICY_COUNTERS>> PodPolicy::counters() const {
  std::array<uint64_t, WEFT_POLICY_COUNTERS> out{};
  std::vector<uint64_t> cpus(static_cast<size_t>(libbpf_num_possible_cpus()));
  for (uint32_t i = 0; i < WEFT_POLICY_COUNTERS; ++i) {
    WEFT_CHECK(counters_.lookup(&i, cpus.data()));
    for (uint64_t cpu : cpus) out[i] += cpu;
  }
  return out;
}

void PolicyEvents::Free::operator()(ring_buffer* ring) const { ring_buffer__free(ring); }

Expected<PolicyEvents> PolicyEvents::open(const PodPolicy& policy, Handler handler) {
  WEFT_TRY(auto map, RawMap::open(policy.map_folder() + "/policy_events"));
  PolicyEvents out;
  out.handler_ = std::make_unique<Handler>(std::move(handler));
  auto each = [](void* context, void* data, size_t size) {
    if (size >= sizeof(weft_policy_event))
      (*static_cast<Handler*>(context))(*static_cast<const weft_policy_event*>(data));
    return 0;
  };
  out.ring_.reset(ring_buffer__new(map.fd(), each, out.handler_.get(), nullptr));
  if (!out.ring_) return fail_errno("read the policy events", errno);
  return out;
}

int PolicyEvents::poll_fd() const { return ring_buffer__epoll_fd(ring_.get()); }

Expected<size_t> PolicyEvents::read() {
  int count = ring_buffer__consume(ring_.get());
  if (count < 0) return fail_errno("read the policy events", -count);
  return static_cast<size_t>(count);
}

}  // namespace weft::datapath
