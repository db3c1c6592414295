#include "standalone/sandbox/image.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace weft::standalone::sandbox {

std::string image_without_tag(const std::string& image) {
  auto name = image.substr(0, image.find('@'));
  size_t slash = name.rfind('/');
  size_t colon = name.find(':', slash == std::string::npos ? 0 : slash);
  return name.substr(0, colon);
}

bool is_echo_image(const std::string& image) {
  auto name = image_without_tag(image);
  return name == "weft/echo" || name.ends_with("/weft/echo");
}

Expected<Command> resolve_command(const kube::Container& container, const Environment& environment,
                                  const std::map<std::string, std::string>& images) {
  auto lookup = [&](const std::string& name) { return find_variable(environment, name); };
  Command out;
  auto append = [&](const std::vector<std::string>& words) {
    for (const auto& word : words) out.argv.push_back(expand(word, lookup));
  };
  if (!container.command.empty()) {
    append(container.command);
    out.program = out.argv.front();
    append(container.args);
    return out;
  }
  auto mapped = images.find(container.image);
  if (mapped == images.end()) mapped = images.find(image_without_tag(container.image));
  if (mapped != images.end()) {
    out.program = mapped->second;
    out.argv.push_back(mapped->second);
  } else if (is_echo_image(container.image)) {
    out.program = "/proc/self/exe";
    out.argv = {"weft", "echo"};
    out.built_in_echo = true;
  } else {
    return fail(
        ErrorCode::not_found,
        fmt::format("image \"{}\" is not mapped to a program: start weft up with --image {}=PATH, use the "
                    "image weft/echo, or give the container a command from the host",
                    container.image, image_without_tag(container.image)));
  }
  append(container.args);
  return out;
}

Environment echo_ports(const kube::Container& container) {
  std::vector<int32_t> http, tcp, udp;
  for (const auto& port : container.ports) {
    auto& list = port.protocol == "UDP" ? udp : port.name.starts_with("tcp") ? tcp : http;
    if (port.protocol != "SCTP") list.push_back(port.containerPort);
  }
  if (http.empty() && !std::ranges::count(tcp, 8080)) http.push_back(8080);
  Environment out;
  auto add = [&](const char* name, const std::vector<int32_t>& ports) {
    if (!ports.empty()) out.emplace_back(name, fmt::format("{}", fmt::join(ports, ",")));
  };
  add("PORT", http);
  add("TCP_PORT", tcp);
  add("UDP_PORT", udp);
  return out;
}

}  // namespace weft::standalone::sandbox
