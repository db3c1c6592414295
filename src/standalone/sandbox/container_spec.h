#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace weft::standalone::sandbox {

/// A bind mount: `source` of the host appears at `target` in the container. Both absolute; a file over a
/// file or a folder over a folder. A target that the host's file system lacks is made for the container
/// alone.
struct MountSpec {
  std::string source;
  std::string target;
  bool read_only = false;
};

/// What sandbox-init is told, over a descriptor: how to become one container, or to enter one (`kubectl
/// exec`).
struct ContainerSpec {
  bool enter = false;  ///< enter the container whose first process descriptor 5 (a pidfd) is; no mounts then
  bool tty = false;    ///< standard input is a terminal: make it the controlling one

  std::string netns;     ///< path of the network namespace; "": stay
  std::string hostname;  ///< "": keep
  bool own_pids = true;  ///< false with hostPID: no /proc of its own
  std::vector<MountSpec> mounts;
  std::string scratch;  ///< an existing folder to mount things on that only the container sees

  std::string program;            ///< a path, or a name looked up in PATH of `env`
  std::vector<std::string> argv;  ///< argv[0] too
  std::vector<std::string> env;   ///< NAME=VALUE
  std::string cwd = "/";
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
};

std::string encode_spec(const ContainerSpec& spec);
Expected<ContainerSpec> decode_spec(std::string_view text);

}  // namespace weft::standalone::sandbox
