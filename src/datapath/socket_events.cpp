#include "datapath/socket_events.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "socket_events.skel.h"

namespace weft::datapath {
namespace {

/// Of what was collected.
constexpr size_t kKept = 8192;

struct Destroy {
  void operator()(socket_events_bpf* skeleton) const { socket_events_bpf::destroy(skeleton); }
};
struct Unmap {
  size_t size = 0;
  void operator()(void* memory) const { munmap(memory, size); }
};
struct Detach {
  void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};

}  // namespace

struct SocketEvents::Programs {
  std::unique_ptr<socket_events_bpf, Destroy> skeleton;
  std::vector<std::unique_ptr<bpf_link, Detach>> links;
  std::unique_ptr<void, Unmap> memory;
  std::vector<const weft_socket_ring*> rings;  ///< in it, one a processor
  SocketEventLog log{kKept};
  uint64_t missed = 0;  ///< by the program at the changes of state, as the kernel counts it

  Expected<void> load(const std::string& service_maps, uint32_t processors);
  Expected<void> map_rings(size_t processors);
  /// The one of the two that is loaded.
  bpf_program* state() const {
    auto& all = skeleton->progs;
    return bpf_program__autoload(all.tcp_state) ? all.tcp_state : all.tcp_state_asks;
  }
  uint64_t newly_missed();
  Expected<void> attach(bpf_program* program, int cgroup) {
    bpf_link* link = cgroup < 0 ? bpf_program__attach(program) : bpf_program__attach_cgroup(program, cgroup);
    if (!link) return fail_errno(fmt::format("attach BPF program {}", bpf_program__name(program)), errno);
    links.emplace_back(link);
    return {};
  }
};

Expected<void> SocketEvents::Programs::map_rings(size_t processors) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t size = (processors * sizeof(weft_socket_ring) + page - 1) / page * page;
  void* at = mmap(nullptr, size, PROT_READ, MAP_SHARED, bpf_map__fd(skeleton->maps.socket_rings), 0);
  if (at == MAP_FAILED) return fail_errno("map BPF map socket_rings", errno);
  memory = {at, Unmap{size}};
  for (size_t i = 0; i < processors; ++i) rings.push_back(static_cast<const weft_socket_ring*>(at) + i);
  return {};
}

uint64_t SocketEvents::Programs::newly_missed() {
  bpf_prog_info info{};
  uint32_t size = sizeof info;
  if (bpf_obj_get_info_by_fd(bpf_program__fd(state()), &info, &size) != 0) return 0;
  return info.recursion_misses - std::exchange(missed, info.recursion_misses);
}

SocketEvents::SocketEvents() : programs_(std::make_unique<Programs>()) {}
SocketEvents::SocketEvents(SocketEvents&&) noexcept = default;
SocketEvents::~SocketEvents() = default;

Expected<SocketEvents> SocketEvents::open(const std::string& service_maps) {
  SocketEvents out;
  auto& programs = *out.programs_;
  const int processors = libbpf_num_possible_cpus();
  if (processors < 0) return fail_errno("count processors", -processors);
  WEFT_CHECK(programs.load(service_maps, static_cast<uint32_t>(processors)));
  WEFT_CHECK(programs.map_rings(static_cast<size_t>(processors)));
  return out;
}

Expected<void> SocketEvents::Programs::load(const std::string& service_maps, uint32_t processors) {
  int rc = 0;
  // Kernels before 6.2 know the second only.
  for (bool asks : {false, true}) {
    skeleton.reset(socket_events_bpf::open());
    if (!skeleton) return fail_errno("open BPF object socket_events", errno);
    auto& maps = skeleton->maps;
    for (bpf_map* map : {maps.tcp_peers, maps.udp_peers, maps.udp_recent, maps.local_pods})
      bpf_map__set_pin_path(map, (service_maps + "/" + bpf_map__name(map)).c_str());
    bpf_map__set_max_entries(maps.socket_rings, processors);
    bpf_program__set_autoload(asks ? skeleton->progs.tcp_state : skeleton->progs.tcp_state_asks, false);
    rc = socket_events_bpf::load(skeleton.get());
    if (rc == 0) return {};
  }
  return fail_errno("load BPF object socket_events", -rc);
}

Expected<void> SocketEvents::attach(const std::string& cgroup_path) {
  Fd cgroup(::open(cgroup_path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!cgroup) return fail_errno("open cgroup " + cgroup_path, errno);
  auto& all = programs_->skeleton->progs;
  WEFT_CHECK(programs_->attach(programs_->state(), -1));
  for (bpf_program* program : {all.udp_connect4, all.udp_connect6, all.udp_sendmsg4, all.udp_sendmsg6})
    WEFT_CHECK(programs_->attach(program, cgroup.get()));
  return {};
}

void SocketEvents::detach() { programs_->links.clear(); }

SocketEventPage SocketEvents::read(uint64_t after, size_t most) {
  programs_->log.collect(programs_->rings);
  programs_->log.lose(programs_->newly_missed());
  return programs_->log.read(after, most);
}

void SocketEventLog::collect(std::span<const weft_socket_ring* const> rings) {
  taken_.resize(rings.size());
  std::vector<weft_socket_event> fresh;
  for (size_t i = 0; i < rings.size(); ++i) {
    auto page = read_ring(rings[i]->events, rings[i]->told, taken_[i], WEFT_SOCKET_EVENTS);
    told_ += page.next - taken_[i] - page.events.size();
    taken_[i] = page.next;
    fresh.insert(fresh.end(), page.events.begin(), page.events.end());
  }
  // What one processor told at the same time stays in its order.
  std::ranges::sort(fresh, {}, [](const auto& event) { return std::pair(event.time_ns, event.number); });
  for (auto& event : fresh) {
    event.number = ++told_;
    events_.push_back(event);
  }
  if (events_.size() > room_) events_.erase(events_.begin(), events_.end() - static_cast<ptrdiff_t>(room_));
}

SocketEventPage SocketEventLog::read(uint64_t after, size_t most) const {
  if (after > told_) after = 0;
  auto from = std::ranges::upper_bound(events_, after, {}, &weft_socket_event::number);
  auto to = from + static_cast<ptrdiff_t>(std::min(most, static_cast<size_t>(events_.end() - from)));
  SocketEventPage out{
      .next = to == events_.end() ? told_ : std::prev(to)->number, .lost = 0, .events = {from, to}};
  if (after > 0) out.lost = out.next - after - out.events.size();
  return out;
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
