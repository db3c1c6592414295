#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cmd/policy_commands.h"
#include "policy/view.h"

namespace weft::cmd {
namespace {

using policy::PolicyView;

struct Flags {
  PolicySource source;
  std::string ns, format;
};

/// A ClusterNetworkPolicy belongs to each namespace that it selects pods of.
bool is_of(const PolicyView& policy, const std::string& ns) {
  if (policy.namespace_ == ns) return true;
  return std::ranges::any_of(policy.pods, [&](const auto& pod) { return pod.starts_with(ns + "/"); });
}

void print_table(const std::vector<PolicyView>& policies) {
  if (policies.empty()) return fmt::print("no policies: every pod may reach every other\n");
  size_t width = 10;
  for (const auto& policy : policies) width = std::max(width, policy.key.size() + 2);
  fmt::print("{:<{}}{:<15}{:<10}{:<6}{:<17}{:<7}{}\n", "POLICY", width, "TIER", "PRIORITY", "PODS",
             "DIRECTIONS", "RULES", "AUDIT");
  for (const auto& policy : policies) {
    auto priority =
        policy.tier == policy::Tier::network_policy ? std::string("-") : std::to_string(policy.priority);
    size_t rules = 0;
    for (const auto& list : policy.rules) {
      // Parts of a rule follow one another.
      for (size_t i = 0; i < list.size(); ++i) rules += i == 0 || list[i].index != list[i - 1].index;
    }
    fmt::print("{:<{}}{:<15}{:<10}{:<6}{:<17}{:<7}{}\n", policy.key, width, name_of(policy.tier), priority,
               policy.pods.size(), policy.directions(), rules, policy.audit ? "yes" : "no");
    for (const auto& warning : policy.warnings) fmt::print("  ! {}\n", warning);
  }
}

Expected<int> run(const Flags& flags) {
  WEFT_TRY(auto objects, read_policy_objects(flags.source));
  policy::PolicyPlan plan({.node = {}});
  fill(plan, objects);
  auto policies = all_policies(plan);
  if (!flags.ns.empty()) std::erase_if(policies, [&](const auto& view) { return !is_of(view, flags.ns); });
  if (flags.format == "json") {
    json::array out;
    for (const auto& policy : policies) out.push_back(policy.to_json());
    fmt::print("{}\n", json::serialize(out));
  } else {
    print_table(policies);
  }
  return 0;
}

}  // namespace

void add_policy_list_command(CLI::App& policy, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command =
      policy.add_subcommand("list", "All policies, whom they select, and what is wrong with them");
  command->add_option("-n,--namespace", flags->ns, "only its policies, and those that select pods of it");
  add_source_options(*command, flags->source);
  command
      ->add_option("-o", flags->format,
                   "json: [{policy, kind, tier, priority, audit, pods, warnings, ingress: {isolates, rules: "
                   "[{rule, name, action, peers, ports}]}, egress}]")
      ->check(CLI::IsMember({"json"}));
  command->callback([flags, &exit_code] {
    auto result = run(*flags);
    if (!result) fmt::print(stderr, "weft policy list: {}\n", result.error().message);
    exit_code = result.value_or(2);
  });
}

}  // namespace weft::cmd
