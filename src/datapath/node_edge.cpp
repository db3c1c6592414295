#include "datapath/node_edge.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <vector>

#include "edge.skel.h"

namespace weft::datapath {
namespace {

namespace fs = std::filesystem;

/// Of our filters on a link (tc(8) calls it pref): other programs keep theirs.
constexpr uint32_t kPriority = 87;
constexpr uint32_t kHandle = 1;

struct Destroy {
  void operator()(edge_bpf* skeleton) const { edge_bpf::destroy(skeleton); }
};

weft_prefix_key key_of(const IpPrefix& prefix) {
  weft_prefix_key key{};
  auto bytes = prefix.base().mapped();
  std::copy(bytes.begin(), bytes.end(), key.addr);
  key.length = static_cast<uint32_t>(prefix.length + (prefix.addr.is_v4() ? 96 : 0));
  return key;
}

Expected<RawMap> handle_on(const bpf_map* map) { return RawMap::duplicate(bpf_map__fd(map)); }

}  // namespace

struct NodeEdge::Programs {
  std::unique_ptr<edge_bpf, Destroy> object;

  Expected<void> load(const Options& options, const std::string& own, const ServiceSocket& services);
  Expected<void> attach(int link, bpf_tc_attach_point where, const bpf_program* program) const;
};

Expected<void> NodeEdge::Programs::load(const Options& options, const std::string& own,
                                        const ServiceSocket& services) {
  object.reset(edge_bpf::open());
  if (!object) return fail_errno("open BPF object edge", errno);
  bpf_map__set_max_entries(object->maps.nat, options.flows);
  const std::set<const bpf_map*> kOwn = {object->maps.nat, object->maps.fragments, object->maps.prefixes,
                                         object->maps.edge, object->maps.counters};
  const std::set<const bpf_map*> kShared = {
      object->maps.frontends, object->maps.slots,  object->maps.backends, object->maps.ids,
      object->maps.affinity,  object->maps.maglev, object->maps.sources};
  bpf_map__set_max_entries(object->maps.frontends, services.sizes().frontends);
  bpf_map__set_max_entries(object->maps.slots, services.sizes().slots);
  bpf_map__set_max_entries(object->maps.backends, services.sizes().backends);
  bpf_map* map;
  bpf_object__for_each_map(map, object->obj) {
    if (kShared.contains(map))
      bpf_map__set_pin_path(map, (services.map_folder() + "/" + bpf_map__name(map)).c_str());
    if (kOwn.contains(map)) bpf_map__set_pin_path(map, (own + "/" + bpf_map__name(map)).c_str());
  }
  int rc = edge_bpf::load(object.get());
  if (rc == 0) return {};
  auto error = fail_errno("load BPF object edge", -rc);
  error.error().message += " (see the log at level debug for the verifier's reason)";
  return error;
}

Expected<void> NodeEdge::Programs::attach(int link, bpf_tc_attach_point where,
                                          const bpf_program* program) const {
  LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = link, .attach_point = where);
  // Who else uses the link may have made the hook.
  if (int rc = bpf_tc_hook_create(&hook); rc < 0 && rc != -EEXIST)
    return fail_errno(fmt::format("make the tc hook of link {}", link), -rc);
  LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = bpf_program__fd(program), .flags = BPF_TC_F_REPLACE,
              .handle = kHandle, .priority = kPriority);
  if (int rc = bpf_tc_attach(&hook, &opts); rc < 0)
    return fail_errno(fmt::format("attach BPF program {} to link {}", bpf_program__name(program), link), -rc);
  return {};
}

Expected<NodeEdge> NodeEdge::open(const Options& options, const ServiceSocket& services) {
  auto root = options.bpf_dir + "/edge";
  auto layout = fmt::format("v{}-{}", WEFT_EDGE_LAYOUT, options.flows);
  std::error_code error;
  fs::create_directories(root + "/" + layout, error);
  if (error) return fail_errno("make folder " + root, error.value());
  for (const auto& entry : fs::directory_iterator(root, error)) {
    // Connections of another layout cannot be taken over.
    if (entry.path().filename() != layout) fs::remove_all(entry.path(), error);
  }
  NodeEdge edge;
  edge.programs_ = std::make_shared<Programs>();
  WEFT_CHECK(edge.programs_->load(options, root + "/" + layout, services));
  const auto& maps = edge.programs_->object->maps;
  WEFT_TRY(auto flows, handle_on(maps.nat));
  WEFT_TRY(edge.flows_, (HashMap<weft_tuple, weft_nat>::of(std::move(flows))));
  WEFT_TRY(auto prefixes, handle_on(maps.prefixes));
  WEFT_TRY(edge.prefixes_, (HashMap<weft_prefix_key, uint32_t>::of(std::move(prefixes))));
  return edge;
}

Expected<void> NodeEdge::configure(const weft_edge& settings) {
  uint32_t zero = 0;
  if (bpf_map_update_elem(bpf_map__fd(programs_->object->maps.edge), &zero, &settings, BPF_ANY) == 0)
    return {};
  return fail_errno("write the node edge's settings", errno);
}

Expected<void> NodeEdge::set_prefixes(std::span<const EdgePrefix> prefixes) {
  auto less = [](const weft_prefix_key& a, const weft_prefix_key& b) {
    return std::memcmp(&a, &b, sizeof a) < 0;
  };
  std::map<weft_prefix_key, uint32_t, decltype(less)> wanted(less);
  for (const auto& [prefix, place] : prefixes) wanted[key_of(prefix)] |= place;
  WEFT_TRY(auto there, prefixes_.read_all());
  for (const auto& [key, place] : there) {
    auto found = wanted.find(key);
    if (found == wanted.end()) {
      WEFT_CHECK(prefixes_.erase(key));
    } else if (found->second == place) {
      wanted.erase(found);
    }
  }
  for (const auto& [key, place] : wanted) WEFT_CHECK(prefixes_.update(key, place));
  return {};
}

Expected<void> NodeEdge::attach(int link) {
  // What translates answers back is there before what makes them need it.
  WEFT_CHECK(programs_->attach(link, BPF_TC_EGRESS, programs_->object->progs.edge_out));
  return programs_->attach(link, BPF_TC_INGRESS, programs_->object->progs.edge_in);
}

Expected<std::array<uint64_t, WEFT_EDGE_COUNTERS>> NodeEdge::counters() const {
  std::array<uint64_t, WEFT_EDGE_COUNTERS> out{};
  std::vector<uint64_t> cpus(static_cast<size_t>(libbpf_num_possible_cpus()));
  for (uint32_t i = 0; i < WEFT_EDGE_COUNTERS; ++i) {
    if (bpf_map_lookup_elem(bpf_map__fd(programs_->object->maps.counters), &i, cpus.data()) != 0)
      return fail_errno("read the node edge's counters", errno);
    for (uint64_t cpu : cpus) out[i] += cpu;
  }
  return out;
}

}  // namespace weft::datapath
