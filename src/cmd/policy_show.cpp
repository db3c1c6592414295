#include <fmt/core.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

#include "cmd/policy_commands.h"
#include "policy/view.h"

namespace weft::cmd {
namespace {

using policy::Direction;
using policy::PodView;
using policy::Standing;

struct Flags {
  PolicySource source;
  std::string pod, ns = "default", format;
};

/// Whether the kernel of the pod's node has what the plan wants.
struct KernelCheck {
  enum class State : uint8_t { same, differs, unseen };
  State state = State::unseen;
  std::vector<std::string> lines;                         ///< what differs, or why it was not seen
  std::map<std::string, std::vector<std::string>> names;  ///< that its policies ask for, with known addresses
  const char* name() const {
    return state == State::same ? "same" : state == State::differs ? "differs" : "unseen";
  }
};

KernelCheck unseen(std::string why) { return {KernelCheck::State::unseen, {std::move(why)}, {}}; }

std::map<std::string, std::vector<std::string>> names_for(const policy::PolicyPlan& plan,
                                                          const std::string& pod,
                                                          const std::vector<policy::KnownDomain>& domains) {
  std::map<std::string, std::vector<std::string>> out;
  for (const auto& known : domains) {
    bool asked = std::ranges::any_of(plan.policies_of(pod), [&](const auto& policy) {
      return std::ranges::any_of(
          policy->domains, [&](const auto& pattern) { return policy::domain_matches(pattern, known.name); });
    });
    if (asked) out[known.name].push_back(known.address.str());
  }
  return out;
}

KernelCheck check_kernel(policy::PolicyPlan& plan, const kube::Pod& pod, const std::string& key,
                         const PolicySource& source) {
  if (!source.sees_kernels()) return unseen("it is on another machine: ask there, or with --name");
  if (pod.spec.nodeName.empty()) return unseen("the pod has no node yet");
  if (plan.addresses_of(key).empty()) return unseen("the pod has no address yet");
  auto node = read_node_policy(source.cluster, pod.spec.nodeName);
  if (!node) return unseen(node.error().message);
  KnownToPlan known(plan, node->domains);
  policy::Comparison comparison(plan, node->kernel);
  auto lines = comparison.identities();
  for (auto& line : compare_pod(plan, comparison, *node, key)) lines.push_back(std::move(line));
  auto state = lines.empty() ? KernelCheck::State::same : KernelCheck::State::differs;
  return {state, std::move(lines), names_for(plan, key, node->domains)};
}

const char* meaning_of(Standing standing) {
  switch (standing) {
    case Standing::open:
      return "open: no policy is about it";
    case Standing::ruled:
      return "open, but for what the rules say";
    case Standing::isolated:
      return "isolated: nothing but what the rules allow";
    case Standing::audit:
      break;
  }
  return "in audit: what the rules do not allow is reported, and passes";
}

void print_direction(const PodView& view, Direction direction) {
  const auto& part = view.directions[static_cast<size_t>(direction)];
  fmt::print("{:<9}{}\n", name_of(direction), meaning_of(part.standing));
  for (const auto* policy : part.policies) {
    bool cluster = policy->tier != policy::Tier::network_policy;
    fmt::print("  {}{}{}\n", policy->key,
               cluster ? fmt::format(" ({}, priority {})", name_of(policy->tier), policy->priority) : "",
               policy->audit ? " (audit)" : "");
    const auto& rules = policy->rules[static_cast<size_t>(direction)];
    for (const auto& rule : rules)
      fmt::print("    [{}]{} {}\n", rule.index, rule.name.empty() ? "" : " \"" + rule.name + "\"",
                 rule.str(direction));
    if (rules.empty()) fmt::print("    no rules: it allows nothing\n");
  }
}

void print_text(const PodView& view, const std::string& node, const KernelCheck& kernel) {
  fmt::print("pod      {}\nnode     {}\n", view.pod, node.empty() ? "-" : node);
  for (auto direction : policy::kDirections) print_direction(view, direction);
  for (const auto& policy : view.policies) {
    for (const auto& warning : policy.warnings) fmt::print("  ! {}: {}\n", policy.key, warning);
  }
  for (const auto& [name, addresses] : kernel.names)
    fmt::print("name     {}: {}\n", name, fmt::join(addresses, ", "));
  switch (kernel.state) {
    case KernelCheck::State::same:
      return fmt::print("kernel   same\n");
    case KernelCheck::State::differs:
      fmt::print("kernel   DIFFERS\n");
      break;
    case KernelCheck::State::unseen:
      fmt::print("kernel   NOT SEEN\n");
      break;
  }
  constexpr size_t kMost = 20;
  for (size_t i = 0; i < std::min(kernel.lines.size(), kMost); ++i) fmt::print("  {}\n", kernel.lines[i]);
  if (kernel.lines.size() > kMost) fmt::print("  and {} more\n", kernel.lines.size() - kMost);
}

void print_json(const PodView& view, const std::string& node, const KernelCheck& kernel) {
  auto out = view.to_json();
  out["node"] = node;
  out["names"] = json::value_from(kernel.names);
  out["kernel"] = json::object{{"state", kernel.name()}, {"lines", json::value_from(kernel.lines)}};
  fmt::print("{}\n", json::serialize(out));
}

Expected<int> run(const Flags& flags) {
  WEFT_TRY(auto objects, read_policy_objects(flags.source));
  auto key = flags.ns + "/" + flags.pod;
  auto pod = std::ranges::find_if(objects.pods, [&](const kube::Pod& pod) {
    return pod.metadata.namespace_ == flags.ns && pod.metadata.name == flags.pod;
  });
  if (pod == objects.pods.end())
    return fail(ErrorCode::not_found, fmt::format("there is no pod {}: see kubectl get pods -A", key));
  policy::PolicyPlan plan({.node = {}});
  fill(plan, objects);
  auto view = view_of(key, plan);
  if (!view)
    return fail(ErrorCode::invalid,
                fmt::format("policies are not about pod {}: it {}", key,
                            pod->spec.hostNetwork ? "is on its node's network" : "is over"));
  auto kernel = check_kernel(plan, *pod, key, flags.source);
  flags.format == "json" ? print_json(*view, pod->spec.nodeName, kernel)
                         : print_text(*view, pod->spec.nodeName, kernel);
  switch (kernel.state) {
    case KernelCheck::State::same:
      return 0;
    case KernelCheck::State::differs:
      return 1;
    case KernelCheck::State::unseen:
      break;
  }
  return 3;
}

}  // namespace

void add_policy_show_command(CLI::App& policy, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = policy.add_subcommand(
      "show",
      "What is in force for a pod, and whether its node's kernel has it; exit 1 when it differs, 3 when the "
      "kernel cannot be seen from here");
  command->add_option("pod", flags->pod, "its name")->required();
  command->add_option("-n,--namespace", flags->ns, "its namespace")->capture_default_str();
  add_source_options(*command, flags->source);
  command
      ->add_option("-o", flags->format,
                   "json: {pod, node, ingress: {standing, policies: [{policy, tier, audit, rules}]}, egress, "
                   "warnings, names: {NAME: [addresses]}, kernel: {state: same|differs|unseen, lines}}")
      ->check(CLI::IsMember({"json"}));
  command->callback([flags, &exit_code] {
    auto result = run(*flags);
    if (!result) fmt::print(stderr, "weft policy show: {}\n", result.error().message);
    exit_code = result.value_or(2);
  });
}

}  // namespace weft::cmd
