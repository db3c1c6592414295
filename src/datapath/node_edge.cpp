#include "datapath/node_edge.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>
#include <linux/if_link.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <string_view>
#include <vector>

#include "datapath/prefix_key.h"
#include "edge.skel.h"
#include "edge_xdp.skel.h"

namespace weft::datapath {
namespace {

namespace fs = std::filesystem;

/// Of our filters on a link (tc(8) calls it pref): other programs keep theirs.
constexpr uint32_t kPriority = 87;
constexpr uint32_t kHandle = 1;

struct Destroy {
  void operator()(edge_bpf* skeleton) const { edge_bpf::destroy(skeleton); }
  void operator()(edge_xdp_bpf* skeleton) const { edge_xdp_bpf::destroy(skeleton); }
};

Expected<RawMap> handle_on(const bpf_map* map) { return RawMap::duplicate(bpf_map__fd(map)); }

/// Maps that are pinned with the edge's own, and those that are the Services' and the policies'. By name: the
/// programs for tc and XDP have many of them both.
const std::set<std::string_view> kOwn = {"nat", "nat_filter", "fragments", "prefixes", "edge", "counters"};
const std::set<std::string_view> kShared = {"frontends", "slots",  "backends", "ids",
                                            "affinity",  "maglev", "sources",  "filter"};

const std::set<std::string_view> kPolicy = {
    "identities",      "verdicts",        "policy_pods",   "policy_flows", "policy_told",
    "policy_settings", "policy_counters", "policy_events", "policy_links", "policy_young"};

/// A pinned map is taken over as large as it is, so one with more counters is another: not a reason to give
/// up the connections.
std::string pin_name(const std::string& map) {
  return map == "counters" ? fmt::format("{}-{}", map, int{WEFT_EDGE_COUNTERS}) : map;
}

constexpr const char* kXdpProgram = "edge_xdp";

std::unexpected<Error> fail_load(const char* what, int rc) {
  auto error = fail_errno(fmt::format("load BPF object {}", what), -rc);
  error.error().message += " (see the log at level debug for the verifier's reason)";
  return error;
}

/// Of an array that each CPU has its own of.
template <size_t Size>
Expected<std::array<uint64_t, Size>> sums(int map, const char* what) {
  std::array<uint64_t, Size> out{};
  std::vector<uint64_t> cpus(static_cast<size_t>(libbpf_num_possible_cpus()));
  for (uint32_t i = 0; i < Size; ++i) {
    if (bpf_map_lookup_elem(map, &i, cpus.data()) != 0)
      return fail_errno(fmt::format("read {}", what), errno);
    for (uint64_t cpu : cpus) out[i] += cpu;
  }
  return out;
}

/// Whether the XDP program on a link is none but an edge's.
bool is_edge(uint32_t program_id) {
  Fd program(bpf_prog_get_fd_by_id(program_id));
  bpf_prog_info info{};
  uint32_t size = sizeof(info);
  return program && bpf_obj_get_info_by_fd(program.get(), &info, &size) == 0 &&
         std::string_view(info.name) == kXdpProgram;
}

}  // namespace

struct NodeEdge::Programs {
  /// Where the maps are, and how large.
  struct Places {
    std::string own, shared, policy;
    uint32_t flows = 0, identities = 0, verdicts = 0;
    ServiceMapSizes sizes;
  };
  Places places;
  std::unique_ptr<edge_bpf, Destroy> object;
  std::unique_ptr<edge_xdp_bpf, Destroy> xdp;  ///< only once a link wants it

  void place_maps(bpf_object* maps_of) const;
  Expected<void> load();
  Expected<void> load_xdp();
  Expected<void> attach(int link, bpf_tc_attach_point where, const bpf_program* program) const;
};

void NodeEdge::Programs::place_maps(bpf_object* maps_of) const {
  const std::map<std::string_view, uint32_t> sizes = {
      {"nat", places.flows},          {"identities", places.identities},
      {"verdicts", places.verdicts},  {"frontends", places.sizes.frontends},
      {"slots", places.sizes.slots},  {"backends", places.sizes.backends},
      {"maglev", places.sizes.maglev}};
  bpf_map* map;
  bpf_object__for_each_map(map, maps_of) {
    std::string name = bpf_map__name(map);
    if (auto size = sizes.find(name); size != sizes.end()) bpf_map__set_max_entries(map, size->second);
    if (kOwn.contains(name)) bpf_map__set_pin_path(map, (places.own + "/" + pin_name(name)).c_str());
    if (kShared.contains(name)) bpf_map__set_pin_path(map, (places.shared + "/" + name).c_str());
    if (kPolicy.contains(name)) bpf_map__set_pin_path(map, (places.policy + "/" + name).c_str());
  }
}

Expected<void> NodeEdge::Programs::load() {
  object.reset(edge_bpf::open());
  if (!object) return fail_errno("open BPF object edge", errno);
  place_maps(object->obj);
  if (int rc = edge_bpf::load(object.get()); rc != 0) return fail_load("edge", rc);
  return {};
}

Expected<void> NodeEdge::Programs::load_xdp() {
  if (xdp) return {};
  std::unique_ptr<edge_xdp_bpf, Destroy> fresh(edge_xdp_bpf::open());
  if (!fresh) return fail_errno("open BPF object edge_xdp", errno);
  place_maps(fresh->obj);
  if (int rc = edge_xdp_bpf::load(fresh.get()); rc != 0) return fail_load("edge_xdp", rc);
  xdp = std::move(fresh);
  return {};
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

Expected<NodeEdge> NodeEdge::open(const Options& options, const ServiceSocket& services,
                                  const PodPolicy& policy) {
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
  edge.programs_->places = {.own = root + "/" + layout,
                            .shared = services.map_folder(),
                            .policy = policy.map_folder(),
                            .flows = options.flows,
                            .identities = policy.identities().max_entries(),
                            .verdicts = policy.verdicts().max_entries(),
                            .sizes = services.sizes()};
  WEFT_CHECK(edge.programs_->load());
  const auto& maps = edge.programs_->object->maps;
  WEFT_TRY(auto flows, handle_on(maps.nat));
  WEFT_TRY(edge.flows_, (HashMap<weft_tuple, weft_nat>::of(std::move(flows))));
  WEFT_TRY(auto prefixes, handle_on(maps.prefixes));
  WEFT_TRY(edge.prefixes_, (HashMap<weft_prefix_key, uint32_t>::of(std::move(prefixes))));
  WEFT_TRY(auto names, handle_on(maps.dns_names));
  WEFT_TRY(edge.dns_.names, (HashMap<weft_dns_name, weft_dns_record>::of(std::move(names))));
  WEFT_TRY(auto server, handle_on(maps.dns_server));
  WEFT_TRY(edge.dns_.server, ArrayMap<weft_dns_server>::of(std::move(server)));
  WEFT_TRY(edge.dns_.counters, handle_on(maps.dns_counters));
  return edge;
}

std::optional<std::pair<IpAddr, uint16_t>> NodeEdge::behind(std::pair<IpAddr, uint16_t> pod,
                                                            std::pair<IpAddr, uint16_t> peer,
                                                            uint8_t protocol) const {
  weft_tuple tuple{};
  fill_addr(tuple.src, pod.first);
  fill_addr(tuple.dst, peer.first);
  tuple.sport = htons(pod.second);
  tuple.dport = htons(peer.second);
  tuple.protocol = protocol;
  auto flow = flows_.lookup(tuple);
  if (!flow || !*flow) return std::nullopt;
  return std::pair(addr_of((*flow)->dst), ntohs((*flow)->dport));
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
  for (const auto& [prefix, place] : prefixes) wanted[prefix_key(prefix)] |= place;
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

Expected<void> NodeEdge::attach_pod(int link) {
  WEFT_CHECK(programs_->attach(link, BPF_TC_EGRESS, programs_->object->progs.pod_out));
  return programs_->attach(link, BPF_TC_INGRESS, programs_->object->progs.pod_in);
}

Expected<void> NodeEdge::attach_xdp(int link) {
  uint32_t there = 0;
  if (int rc = bpf_xdp_query_id(link, XDP_FLAGS_DRV_MODE, &there); rc < 0)
    return fail_errno(fmt::format("ask for the XDP program of link {}", link), -rc);
  if (there != 0 && !is_edge(there))
    return fail(ErrorCode::conflict, fmt::format("link {} has an XDP program of somebody else", link));
  WEFT_CHECK(programs_->load_xdp());
  Fd before(there != 0 ? bpf_prog_get_fd_by_id(there) : -1);
  LIBBPF_OPTS(bpf_xdp_attach_opts, opts, .old_prog_fd = before ? before.get() : 0);
  uint32_t flags = XDP_FLAGS_DRV_MODE | (before ? 0 : XDP_FLAGS_UPDATE_IF_NOEXIST);
  int rc = bpf_xdp_attach(link, bpf_program__fd(programs_->xdp->progs.edge_xdp), flags, &opts);
  if (rc < 0) return fail_errno(fmt::format("attach BPF program edge_xdp to link {}", link), -rc);
  return {};
}

Expected<std::array<uint64_t, WEFT_EDGE_COUNTERS>> NodeEdge::counters() const {
  return sums<WEFT_EDGE_COUNTERS>(bpf_map__fd(programs_->object->maps.counters), "the node edge's counters");
}

Expected<std::array<uint64_t, WEFT_DNS_COUNTERS>> DnsMaps::answers() const {
  return sums<WEFT_DNS_COUNTERS>(counters.fd(), "the counters of answers at pods' links");
}

}  // namespace weft::datapath
