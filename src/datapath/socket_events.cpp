#include "datapath/socket_events.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "base/fd.h"
#include "socket_events.skel.h"

namespace weft::datapath {
namespace {

struct Destroy {
  void operator()(socket_events_bpf* skeleton) const { socket_events_bpf::destroy(skeleton); }
};
struct Detach {
  void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};

}  // namespace

struct SocketEvents::Programs {
  std::unique_ptr<socket_events_bpf, Destroy> skeleton;
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

Expected<SocketEvents> SocketEvents::open(const std::string& service_maps) {
  SocketEvents out;
  auto& programs = *out.programs_;
  programs.skeleton.reset(socket_events_bpf::open());
  if (!programs.skeleton) return fail_errno("open BPF object socket_events", errno);
  auto& maps = programs.skeleton->maps;
  for (bpf_map* map : {maps.tcp_peers, maps.udp_peers, maps.udp_recent, maps.local_pods})
    bpf_map__set_pin_path(map, (service_maps + "/" + bpf_map__name(map)).c_str());
  if (int rc = socket_events_bpf::load(programs.skeleton.get()); rc != 0)
    return fail_errno("load BPF object socket_events", -rc);
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

void SocketEvents::detach() { programs_->links.clear(); }

SocketEventPage SocketEvents::read(uint64_t after, size_t most) const {
  const auto* memory = programs_->skeleton->bss;
  return read_ring(memory->socket_events, memory->socket_events_told, after, most);
}

SocketEventPage read_ring(std::span<const weft_socket_event> ring, const uint64_t& told, uint64_t after,
                          size_t most) {
  auto oldest = [&] {
    uint64_t all = __atomic_load_n(&told, __ATOMIC_ACQUIRE);
    return all - std::min<uint64_t>(all, ring.size());
  };
  const uint64_t end = __atomic_load_n(&told, __ATOMIC_ACQUIRE);
  if (after > end) after = 0;
  uint64_t first = std::max(after, oldest());
  SocketEventPage out{.next = first, .lost = 0, .events = {}};
  out.events.reserve(std::min<uint64_t>(most, end - first));
  while (out.next < end && out.events.size() < most) {
    const auto& event = ring[out.next % ring.size()];
    const uint64_t number = __atomic_load_n(&event.number, __ATOMIC_ACQUIRE);
    if (number <= out.next) break;  // it is being written: next time
    ++out.next;
    if (number == out.next) {
      out.events.push_back(event);
    } else {  // the programs were quicker
      out.events.clear();
      first = out.next;
    }
  }
  // Of those that make room by now not all may have been read as it was.
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  const uint64_t whole = std::clamp(oldest(), first, out.next);
  out.events.erase(out.events.begin(), out.events.begin() + static_cast<ptrdiff_t>(whole - first));
  if (after > 0) out.lost = whole - after;
  return out;
}

}  // namespace weft::datapath
