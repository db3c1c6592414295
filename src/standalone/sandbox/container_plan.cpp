#include "standalone/sandbox/container_plan.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/netns.h"

namespace weft::standalone::sandbox {

namespace {

constexpr const char* kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

void set_user(ContainerSpec& spec, const kube::PodSpec& pod, const kube::Container& container) {
  if (pod.securityContext) {
    const auto& c = *pod.securityContext;
    spec.uid = static_cast<uid_t>(c.runAsUser.value_or(0));
    spec.gid = static_cast<gid_t>(c.runAsGroup.value_or(0));
    for (auto group : c.supplementalGroups) spec.groups.push_back(static_cast<gid_t>(group));
    if (c.fsGroup) spec.groups.push_back(static_cast<gid_t>(*c.fsGroup));
  }
  if (!container.securityContext) return;
  if (auto uid = container.securityContext->runAsUser) spec.uid = static_cast<uid_t>(*uid);
  if (auto gid = container.securityContext->runAsGroup) spec.gid = static_cast<gid_t>(*gid);
}

/// The pod's own files, unless the container mounts something there itself.
void add_etc(ContainerSpec& spec, const ContainerSetting& setting) {
  for (const char* file : {"resolv.conf", "hosts", "hostname"}) {
    auto target = fmt::format("/etc/{}", file);
    if (std::ranges::find(spec.mounts, target, &MountSpec::target) == spec.mounts.end())
      spec.mounts.push_back({fmt::format("{}/etc/{}", setting.dir, file), target, false});
  }
}

Environment full_environment(const ContainerSetting& setting, const kube::Container& container,
                             const Environment& declared, const Command& command, uid_t uid) {
  Environment out{
      {"PATH", kDefaultPath}, {"HOSTNAME", setting.name.kernel}, {"HOME", uid == 0 ? "/root" : "/"}};
  if (command.built_in_echo) {
    const auto& facts = setting.facts;
    out.emplace_back("POD_NAME", facts.pod->metadata.name);
    out.emplace_back("POD_NAMESPACE", facts.pod->metadata.namespace_);
    out.emplace_back("POD_IP", facts.pod_ips.empty() ? "" : facts.pod_ips.front());
    out.emplace_back("NODE_NAME", setting.node.name);
    auto given = [&](const char* name) { return find_variable(declared, name).has_value(); };
    if (!given("PORT") && !given("TCP_PORT") && !given("UDP_PORT") && container.args.empty()) {
      for (auto& port : echo_ports(container)) out.push_back(std::move(port));
    }
  }
  for (const auto& [name, value] : declared) {
    std::erase_if(out, [&](const auto& variable) { return variable.first == name; });
    out.emplace_back(name, value);
  }
  return out;
}

}  // namespace

ContainerSpec plan_container(const ContainerSetting& setting, const kube::Container& container,
                             const Environment& declared, const Command& command,
                             std::vector<MountSpec> mounts) {
  const auto& pod = setting.facts.pod->spec;
  ContainerSpec spec;
  spec.netns = setting.netns.empty() ? setting.node.netns : netns_path(setting.netns);
  spec.hostname = pod.hostNetwork ? setting.node.name : setting.name.kernel;
  spec.own_pids = !pod.hostPID;
  spec.mounts = std::move(mounts);
  spec.scratch = fmt::format("{}/scratch/{}", setting.dir, container.name);
  add_etc(spec, setting);
  set_user(spec, pod, container);
  spec.program = command.program;
  spec.argv = command.argv;
  for (const auto& [name, value] : full_environment(setting, container, declared, command, spec.uid))
    spec.env.push_back(name + "=" + value);
  if (!container.workingDir.empty()) spec.cwd = container.workingDir;
  return spec;
}

}  // namespace weft::standalone::sandbox
