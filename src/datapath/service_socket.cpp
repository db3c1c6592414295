#include "datapath/service_socket.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/log.h"
#include "base/netns.h"
#include "datapath/prefix_key.h"
#include "service_socket.skel.h"

namespace weft::datapath {
namespace {

namespace fs = std::filesystem;

/// In the order in which they are attached: what undoes a translation before what makes it.
constexpr std::array kPrograms = {"getpeername4", "getpeername6", "recvmsg4",   "recvmsg6",
                                  "sock_release", "post_bind4",   "post_bind6", "sendmsg4",
                                  "sendmsg6",     "connect4",     "connect6"};

void log_libbpf_to_debug() {
  libbpf_set_print([](libbpf_print_level, const char* format, va_list args) {
    char line[1024];
    int length = vsnprintf(line, sizeof(line), format, args);
    while (length > 0 && length < static_cast<int>(sizeof(line)) && line[length - 1] == '\n')
      line[--length] = 0;
    spdlog::debug("libbpf: {}", line);
    return 0;
  });
}

Expected<void> make_folder(const std::string& path) {
  std::error_code ec;
  fs::create_directories(path, ec);
  if (ec) return fail_errno("make folder " + path, ec.value());
  return {};
}

Expected<void> require_file_system(const std::string& path, long magic, const char* advice) {
  struct statfs st{};
  if (statfs(path.c_str(), &st) != 0) return fail_errno(path, errno);
  if (static_cast<uint32_t>(st.f_type) != static_cast<uint32_t>(magic)) {
    return fail(ErrorCode::invalid, fmt::format("{}: {}", path, advice));
  }
  return {};
}

/// Two engines at once would undo each other's work.
Expected<Fd> lock_folder(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail_errno("open " + path, errno);
  if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno == EWOULDBLOCK) {
    return fail(ErrorCode::conflict, path + ": another agent programs Services here; stop it first");
  }
  return fail_errno("lock " + path, errno);
}

Expected<bpf_prog_info> info_of_program(int fd) {
  bpf_prog_info info{};
  uint32_t size = sizeof(info);
  if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0) return fail_errno("read BPF program info", errno);
  return info;
}

bool uses_any(int program, const std::vector<uint32_t>& maps) {
  std::array<uint32_t, 64> map_ids{};
  bpf_prog_info info{};
  info.map_ids = reinterpret_cast<uint64_t>(map_ids.data());
  info.nr_map_ids = map_ids.size();
  uint32_t size = sizeof(info);
  if (bpf_obj_get_info_by_fd(program, &info, &size) < 0) return false;
  auto end = map_ids.begin() + std::min<size_t>(info.nr_map_ids, map_ids.size());
  return std::find_first_of(map_ids.begin(), end, maps.begin(), maps.end()) != end;
}

/// By the kernel's hash over the instructions, which leaves out which maps they use.
bool same_code(int program, int other) {
  auto a = info_of_program(program);
  auto b = info_of_program(other);
  return a && b && std::equal(std::begin(a->tag), std::end(a->tag), std::begin(b->tag));
}

Expected<bpf_link_info> info_of_link(int fd) {
  bpf_link_info info{};
  uint32_t size = sizeof(info);
  if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0) return fail_errno("read BPF link info", errno);
  return info;
}

uint32_t map_id(int fd) {
  bpf_map_info info{};
  uint32_t size = sizeof(info);
  return bpf_obj_get_info_by_fd(fd, &info, &size) < 0 ? 0 : info.id;
}

/// Pins under `path`, in the place of what is pinned there.
Expected<void> pin_over(int fd, const std::string& path) {
  std::string fresh = path + "_new";
  unlink(fresh.c_str());  // of an agent killed here
  if (bpf_obj_pin(fd, fresh.c_str()) < 0) return fail_errno("pin " + fresh, errno);
  if (rename(fresh.c_str(), path.c_str()) != 0) return fail_errno("rename " + fresh, errno);
  return {};
}

template <class Map>
Expected<Map> open_map(const std::string& path) {
  WEFT_TRY(auto raw, RawMap::open(path));
  return Map::of(std::move(raw));
}

Expected<ServiceMaps> maps_in(const std::string& folder) {
  ServiceMaps maps;
  WEFT_TRY(maps.frontends, (open_map<decltype(maps.frontends)>(folder + "/frontends")));
  WEFT_TRY(maps.slots, (open_map<decltype(maps.slots)>(folder + "/slots")));
  WEFT_TRY(maps.backends, (open_map<decltype(maps.backends)>(folder + "/backends")));
  WEFT_TRY(maps.maglev, (open_map<decltype(maps.maglev)>(folder + "/maglev")));
  WEFT_TRY(maps.sources, (open_map<decltype(maps.sources)>(folder + "/sources")));
  WEFT_TRY(maps.filter, (open_map<decltype(maps.filter)>(folder + "/filter")));
  WEFT_TRY(maps.node, (open_map<decltype(maps.node)>(folder + "/node")));
  WEFT_TRY(maps.ids, (open_map<decltype(maps.ids)>(folder + "/ids")));
  WEFT_TRY(maps.udp_peers, (open_map<decltype(maps.udp_peers)>(folder + "/udp_peers")));
  WEFT_TRY(maps.local_pods, (open_map<decltype(maps.local_pods)>(folder + "/local_pods")));
  return maps;
}

struct Destroy {
  void operator()(service_socket_bpf* skeleton) const { service_socket_bpf::destroy(skeleton); }
};

}  // namespace

struct ServiceSocket::Programs {
  std::unique_ptr<service_socket_bpf, Destroy> balancer;
  Fd lock;

  int program_fd(const char* name) const {
    return bpf_program__fd(bpf_object__find_program_by_name(balancer->obj, name));
  }
  /// The kernel's numbers of the pinned maps.
  std::vector<uint32_t> map_ids() const {
    std::vector<uint32_t> ids;
    bpf_map* map;
    bpf_object__for_each_map(map, balancer->obj) {
      if (!bpf_map__is_internal(map)) ids.push_back(map_id(bpf_map__fd(map)));
    }
    return ids;
  }

  Expected<void> load(const std::string& folder, const ServiceMapSizes& sizes);
  Expected<bool> runs(const std::string& pin) const;
  Expected<void> attach(const char* name, const std::string& pin, int cgroup, uint64_t cgroup_id) const;
};

Expected<void> ServiceSocket::Programs::load(const std::string& folder, const ServiceMapSizes& sizes) {
  balancer.reset(service_socket_bpf::open());
  if (!balancer) return fail_errno("open BPF object service_socket", errno);
  bpf_map__set_max_entries(balancer->maps.frontends, sizes.frontends);
  bpf_map__set_max_entries(balancer->maps.slots, sizes.slots);
  bpf_map__set_max_entries(balancer->maps.backends, sizes.backends);
  bpf_map__set_max_entries(balancer->maps.maglev, sizes.maglev);
  balancer->rodata->can_set_retval =
      libbpf_probe_bpf_helper(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_FUNC_set_retval, nullptr) == 1;
  bpf_map* map;
  bpf_object__for_each_map(map, balancer->obj) {
    if (!bpf_map__is_internal(map)) bpf_map__set_pin_path(map, (folder + "/" + bpf_map__name(map)).c_str());
  }
  int rc = service_socket_bpf::load(balancer.get());
  if (rc != 0) {
    auto error = fail_errno("load BPF object service_socket", -rc);
    error.error().message += " (see the log at level debug for the verifier's reason)";
    return error;
  }
  return {};
}

/// Whether the pinned link is alive and runs a program on our maps.
Expected<bool> ServiceSocket::Programs::runs(const std::string& pin) const {
  Fd link(bpf_obj_get(pin.c_str()));
  if (!link) return false;
  WEFT_TRY(auto link_info, info_of_link(link.get()));
  if (link_info.cgroup.cgroup_id == 0) return false;  // its cgroup is gone
  Fd program(bpf_prog_get_fd_by_id(link_info.prog_id));
  return program && uses_any(program.get(), map_ids());
}

Expected<void> ServiceSocket::Programs::attach(const char* name, const std::string& pin, int cgroup,
                                               uint64_t cgroup_id) const {
  int program = program_fd(name);
  Fd link(bpf_obj_get(pin.c_str()));
  if (link) {
    WEFT_TRY(auto link_info, info_of_link(link.get()));
    if (link_info.cgroup.cgroup_id == cgroup_id) {
      Fd running(bpf_prog_get_fd_by_id(link_info.prog_id));
      if (running && uses_any(running.get(), map_ids()) && same_code(running.get(), program)) return {};
      if (bpf_link_update(link.get(), program, nullptr) < 0) {
        return fail_errno(fmt::format("replace BPF program {}", name), errno);
      }
      return {};
    }
  }
  auto type = bpf_program__expected_attach_type(bpf_object__find_program_by_name(balancer->obj, name));
  Fd fresh(bpf_link_create(program, cgroup, type, nullptr));  // a cgroup link implies BPF_F_ALLOW_MULTI
  if (!fresh) return fail_errno(fmt::format("attach BPF program {}", name), errno);
  return pin_over(fresh.get(), pin);
}

Expected<ServiceSocket> ServiceSocket::open(const std::string& bpf_dir, const ServiceMapSizes& sizes) {
  log_libbpf_to_debug();
  WEFT_CHECK(make_folder(bpf_dir));
  WEFT_CHECK(require_file_system(bpf_dir, BPF_FS_MAGIC,
                                 "is not on a BPF file system; mount one there (mount -t bpf bpf DIR)"));
  ServiceSocket socket;
  socket.sizes_ = sizes;
  socket.folder_ = bpf_dir + "/service";
  socket.layout_ = fmt::format("v{}-{}-{}-{}-{}", WEFT_SERVICE_LAYOUT, sizes.frontends, sizes.slots,
                               sizes.backends, sizes.maglev);
  WEFT_CHECK(make_folder(socket.folder_ + "/" + socket.layout_));
  WEFT_CHECK(make_folder(socket.folder_ + "/links"));

  socket.programs_ = std::make_shared<Programs>();
  auto& programs = *socket.programs_;
  WEFT_TRY(programs.lock, lock_folder(socket.folder_));
  WEFT_CHECK(programs.load(socket.folder_ + "/" + socket.layout_, sizes));
  WEFT_TRY(socket.maps_, maps_in(socket.folder_ + "/" + socket.layout_));

  socket.attached_ = true;
  for (const char* name : kPrograms) {
    WEFT_TRY(bool runs, programs.runs(socket.folder_ + "/links/" + name));
    socket.attached_ = socket.attached_ && runs;
  }
  return socket;
}

Expected<void> ServiceSocket::add_pod(const std::string& netns, std::span<const IpAddr> addresses) const {
  weft_local_pod pod{};
  for (const auto& address : addresses) fill_addr(address.is_v4() ? pod.v4 : pod.v6, address);
  uint64_t cookie = 0;
  {
    WEFT_TRY(auto inside, InNetns::enter(netns));
    WEFT_TRY(cookie, netns_cookie());
  }
  return maps_.local_pods.update(cookie, pod);
}

Expected<void> ServiceSocket::attach(const std::string& cgroup_path) {
  WEFT_CHECK(require_file_system(cgroup_path, CGROUP2_SUPER_MAGIC, "is not a cgroup of version 2"));
  Fd cgroup(::open(cgroup_path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat st{};
  if (!cgroup || fstat(cgroup.get(), &st) != 0) return fail_errno("open cgroup " + cgroup_path, errno);
  for (const char* name : kPrograms) {
    WEFT_CHECK(programs_->attach(name, folder_ + "/links/" + name, cgroup.get(), st.st_ino));
  }
  attached_ = true;

  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(folder_, ec)) {
    std::string name = entry.path().filename();
    if (name.starts_with("v") && name != layout_) fs::remove_all(entry.path(), ec);
  }
  return {};
}

Expected<ServiceMaps> open_service_maps(const std::string& bpf_dir) {
  std::error_code ec;
  std::string prefix = fmt::format("v{}-", WEFT_SERVICE_LAYOUT);
  for (const auto& entry : fs::directory_iterator(bpf_dir + "/service", ec)) {
    if (entry.path().filename().string().starts_with(prefix)) return maps_in(entry.path());
  }
  return fail(ErrorCode::not_found, bpf_dir + ": no Services were programmed there");
}

}  // namespace weft::datapath
