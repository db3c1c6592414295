#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "cmd/declared.h"
#include "cmd/gateway_commands.h"
#include "gateway/decide.h"
#include "gateway/follower.h"
#include "kube/gateway.h"
#include "standalone/cluster_options.h"

namespace weft::cmd {
namespace {

using gateway::Decision;
using gateway::Question;
using gateway::Snapshot;
using gateway::TableRow;

/// How long all lists together may take.
constexpr std::chrono::seconds kPatience{30};

struct Flags {
  std::string cluster = "weft", kubeconfig, gateway, target, format;
  std::string method = "GET";
  std::vector<std::string> headers;
  bool json() const { return format == "json"; }
};

/// The informers try again for ever: what is wrong is told by a question of our own.
asio::awaitable<Expected<void>> check_gateway(kube::Client& client, const std::string& gateway) {
  auto all = co_await list_all<kube::Gateway>(client);
  if (!all && all.error().code == ErrorCode::not_found)
    co_return fail(ErrorCode::not_found, "the cluster does not have Gateway API's CustomResourceDefinitions");
  if (!all) co_return std::unexpected(all.error());
  bool known =
      gateway.empty() || gateway == gateway::kIngressGateway ||
      std::ranges::any_of(*all, [&](const auto& one) { return kube::object_key(one.metadata) == gateway; });
  if (!known)
    co_return fail(ErrorCode::not_found,
                   fmt::format("there is no Gateway {}: see kubectl get gateways -A", gateway));
  co_return Expected<void>{};
}

/// What a proxy of the cluster serves from: by the very code that it has.
Expected<Snapshot> read_snapshot(const Flags& flags) {
  auto path = flags.kubeconfig;
  if (path.empty()) path = fmt::format("{}/{}/admin.kubeconfig", standalone::kRunRoot, flags.cluster);
  WEFT_TRY(auto config, kube::find_config(path));
  asio::io_context io(1);
  kube::Client client(io, std::move(config));
  Expected<Snapshot> out =
      fail(ErrorCode::timeout, fmt::format("the API server has not told all within {} s", kPatience.count()));
  const gateway::GatewayPlan* plan = nullptr;
  gateway::Follower follower(client, {.on_changes =
                                          [&](const gateway::PlanChanges&) {
                                            out = plan->snapshot();
                                            io.stop();
                                          },
                                      .parents = false,
                                      .on_object = {}});
  plan = &follower.plan();
  asio::steady_timer patience(io, kPatience);
  patience.async_wait([&](auto) { io.stop(); });
  asio::co_spawn(io, check_gateway(client, flags.gateway),
                 [&](const std::exception_ptr& thrown, Expected<void> result) {
                   if (thrown) std::rethrow_exception(thrown);
                   if (result) return follower.start();
                   out = std::unexpected(result.error());
                   io.stop();
                 });
  io.run();
  return out;
}

/// Columns as wide as what is in them; the last one is not padded.
void print_columns(const std::vector<std::vector<std::string>>& lines) {
  std::vector<size_t> widths;
  for (const auto& line : lines) {
    widths.resize(std::max(widths.size(), line.size()));
    for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  for (const auto& line : lines) {
    for (size_t i = 0; i + 1 < line.size(); ++i) fmt::print("{:<{}}  ", line[i], widths[i]);
    fmt::print("{}\n", line.back());
  }
}

void print_table(const std::vector<TableRow>& rows) {
  std::vector<std::vector<std::string>> lines{
      {"GATEWAY", "PORT", "LISTENER", "HOST", "MATCHES", "TO", "WHY"}};
  for (const auto& row : rows) {
    std::vector<std::string> start{row.gateway, fmt::format("{} {}", row.port, name_of(row.protocol)),
                                   row.listener.section.empty() ? "-" : row.listener.section,
                                   gateway::hostname_of(row.hostname)};
    auto matches = row.matches;
    if (matches.empty()) matches.emplace_back("-");
    for (size_t i = 0; i < matches.size(); ++i) {
      auto line = i == 0 ? start : std::vector<std::string>(start.size());
      line.push_back(matches[i]);
      if (i == 0) {
        line.push_back(row.goes_to());
        line.push_back(words_of(row.why));
      }
      lines.push_back(std::move(line));
    }
  }
  print_columns(lines);
}

void print_decision(const Decision& decision) {
  fmt::print("Gateway {}, port {}\n", decision.gateway, decision.port);
  if (!decision.listener) return fmt::print("  NO: no listener of it has this host\n");
  fmt::print("  {} ({})\n", words_of(*decision.listener), name_of(decision.protocol));
  for (const auto& one : decision.considered) {
    if (one.why_not.empty()) continue;
    auto rule = one.why ? fmt::format("{}, {}", words_of(*one.why), one.match) : std::string("its rules");
    fmt::print("  no: {} ({}): {}\n", gateway::hostname_of(one.hostname), rule, one.why_not);
  }
  if (!decision.taken)
    return fmt::print("  NO: {}\n", decision.protocol == gateway::Protocol::tls
                                        ? "no route takes this server name: the connection is closed"
                                        : "no rule takes it: answered with 404");
  fmt::print("  YES: {} ({}, {})\n       to {}\n", gateway::hostname_of(decision.taken->hostname),
             words_of(decision.taken->why), decision.considered.back().match, decision.taken->goes_to());
}

int show_table(const Snapshot& snapshot, const Flags& flags) {
  auto rows = table_of(snapshot, flags.gateway);
  if (!flags.json()) {
    print_table(rows);
    return 0;
  }
  json::array out;
  for (const auto& row : rows) out.push_back(row.to_json());
  fmt::print("{}\n", json::serialize(out));
  return 0;
}

int show_decisions(const Snapshot& snapshot, const Question& question, bool as_json) {
  auto decisions = decide(snapshot, question);
  if (as_json) {
    json::array out;
    for (const auto& decision : decisions) out.push_back(decision.to_json());
    fmt::print("{}\n", json::serialize(out));
  } else {
    for (const auto& decision : decisions) print_decision(decision);
    if (decisions.empty()) fmt::print("NO: no Gateway listens for it\n");
  }
  bool taken = std::ranges::any_of(decisions, [](const auto& one) { return one.taken.has_value(); });
  return taken ? 0 : 1;
}

Expected<int> run(const Flags& flags) {
  Question question;
  if (!flags.target.empty()) {
    WEFT_TRY(question, Question::parse(flags.target));
    question.gateway = flags.gateway;
    question.method = flags.method;
    for (const auto& header : flags.headers) WEFT_CHECK(question.add_header(header));
  }
  WEFT_TRY(auto snapshot, read_snapshot(flags));
  return flags.target.empty() ? show_table(snapshot, flags)
                              : show_decisions(snapshot, question, flags.json());
}

}  // namespace

void add_gateway_routes_command(CLI::App& gateway, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = gateway.add_subcommand("routes",
                                             "What Gateways and Ingresses have in force; with a HOST which "
                                             "rule takes that request, and why others do "
                                             "not: exit 0 when one does, 1 when none does");
  auto* target = command->add_option("target", flags->target, "[http[s]://]HOST[:PORT][/PATH[?QUERY]]");
  command->add_option("--method", flags->method, "of the request")->needs(target)->capture_default_str();
  command->add_option("--header", flags->headers, "\"NAME: VALUE\" of the request; may be repeated")
      ->needs(target)
      ->allow_extra_args(false);
  command->add_option("--gateway", flags->gateway, "NAMESPACE/NAME: only this one");
  auto* name = command->add_option("--name", flags->cluster, "of the cluster that weft up made")
                   ->capture_default_str();
  command->add_option("--kubeconfig", flags->kubeconfig, "of another cluster")->excludes(name);
  command
      ->add_option(
          "-o", flags->format,
          "json: [{gateway, port, protocol, listener, hostname, matches, answer, backends, route}], with "
          "a HOST [{gateway, port, listener, considered: [{hostname, route, match, whyNot}], taken}]")
      ->check(CLI::IsMember({"json"}));
  command->callback([flags, &exit_code] {
    auto result = run(*flags);
    if (!result) fmt::print(stderr, "weft gateway routes: {}\n", result.error().message);
    exit_code = result.value_or(2);
  });
}

}  // namespace weft::cmd
