#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "kube/container.h"
#include "standalone/sandbox/env.h"

namespace weft::standalone::sandbox {

/// What a container executes.
struct Command {
  std::string program;  ///< a path or a name for PATH
  std::vector<std::string> argv;
  bool built_in_echo = false;
};

/// "registry.example/weft/echo:1.0@sha256:…" → "registry.example/weft/echo".
std::string image_without_tag(const std::string& image);
/// Image weft/echo, with any registry before it and any tag behind it.
bool is_echo_image(const std::string& image);

/// What runs for `container`: its `command`, from the host's file system, whatever the image; else the
/// entrypoint of the image: the built-in weft/echo, or the program `images` has for its name (with its tag,
/// or without). `not_found`, with what to do about it, for an image that is neither.
Expected<Command> resolve_command(const kube::Container& container, const Environment& environment,
                                  const std::map<std::string, std::string>& images);

/// weft/echo without arguments or PORT variables listens where the container's ports say: UDP ports echo
/// datagrams, TCP ports whose name begins with "tcp" echo bytes, all others speak HTTP.
Environment echo_ports(const kube::Container& container);

}  // namespace weft::standalone::sandbox
