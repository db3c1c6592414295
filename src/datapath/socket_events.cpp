#include "datapath/socket_events.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "base/fd.h"
#include "datapath/prefix_key.h"
#include "socket_events.skel.h"

namespace weft::datapath {
namespace {

struct Destroy {
  void operator()(socket_events_bpf* skeleton) const { socket_events_bpf::destroy(skeleton); }
};
struct FreeRing {
  void operator()(ring_buffer* ring) const { ring_buffer__free(ring); }
};
struct Detach {
  void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};

int give(void* handler, void* data, size_t size) {
  if (size >= sizeof(weft_socket_event))
    (*static_cast<SocketEvents::Handler*>(handler))(*static_cast<const weft_socket_event*>(data));
  return 0;
}

}  // namespace

struct SocketEvents::Programs {
  Handler handler;
  std::unique_ptr<socket_events_bpf, Destroy> skeleton;
  std::unique_ptr<ring_buffer, FreeRing> ring;
  std::vector<std::unique_ptr<bpf_link, Detach>> links;

  Expected<void> attach(bpf_program* program, int cgroup) {
    bpf_link* link = cgroup < 0 ? bpf_program__attach(program) : bpf_program__attach_cgroup(program, cgroup);
    if (!link) return fail_errno(fmt::format("attach BPF program {}", bpf_program__name(program)), errno);
    links.emplace_back(link);
    return {};
  }
};

SocketEvents::SocketEvents() : programs_(std::make_unique<Programs>()) {}
SocketEvents::SocketEvents(SocketEvents&&) noexcept = default;
SocketEvents::~SocketEvents() = default;

Expected<SocketEvents> SocketEvents::open(const std::string& service_maps, Handler handler) {
  SocketEvents out;
  auto& programs = *out.programs_;
  programs.handler = std::move(handler);
  programs.skeleton.reset(socket_events_bpf::open());
  if (!programs.skeleton) return fail_errno("open BPF object socket_events", errno);
  auto& maps = programs.skeleton->maps;
  for (bpf_map* map : {maps.tcp_peers, maps.udp_peers, maps.udp_recent})
    bpf_map__set_pin_path(map, (service_maps + "/" + bpf_map__name(map)).c_str());
  if (int rc = socket_events_bpf::load(programs.skeleton.get()); rc != 0)
    return fail_errno("load BPF object socket_events", -rc);
  programs.ring.reset(ring_buffer__new(bpf_map__fd(maps.socket_events), give, &programs.handler, nullptr));
  if (!programs.ring) return fail_errno("read the events of sockets", errno);
  return out;
}

Expected<void> SocketEvents::attach(const std::string& cgroup_path) {
  Fd cgroup(::open(cgroup_path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!cgroup) return fail_errno("open cgroup " + cgroup_path, errno);
  auto& all = programs_->skeleton->progs;
  WEFT_CHECK(programs_->attach(all.tcp_state, -1));
  for (bpf_program* program : {all.udp_connect4, all.udp_connect6, all.udp_sendmsg4, all.udp_sendmsg6})
    WEFT_CHECK(programs_->attach(program, cgroup.get()));
  return {};
}

Expected<void> SocketEvents::watch(uint64_t netns_cookie, std::span<const IpAddr> addresses) {
  weft_watched pod{};
  for (const auto& address : addresses) fill_addr(address.is_v4() ? pod.v4 : pod.v6, address);
  int map = bpf_map__fd(programs_->skeleton->maps.watched);
  if (bpf_map_update_elem(map, &netns_cookie, &pod, BPF_ANY) != 0)
    return fail_errno("look on at a pod's sockets", errno);
  return {};
}

Expected<size_t> SocketEvents::read() {
  int count = ring_buffer__consume(programs_->ring.get());
  if (count < 0) return fail_errno("read the events of sockets", -count);
  return static_cast<size_t>(count);
}

Expected<uint64_t> SocketEvents::lost() const {
  std::vector<uint64_t> cpus(static_cast<size_t>(libbpf_num_possible_cpus()));
  uint32_t zero = 0;
  if (bpf_map_lookup_elem(bpf_map__fd(programs_->skeleton->maps.socket_events_lost), &zero, cpus.data()) != 0)
    return fail_errno("count lost events of sockets", errno);
  uint64_t out = 0;
  for (uint64_t lost : cpus) out += lost;
  return out;
}

}  // namespace weft::datapath
