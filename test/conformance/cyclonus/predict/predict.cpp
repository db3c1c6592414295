// Holds what weft trace says of connections against what is expected of them. Each line of the standard input
// is a situation: {"name", "step", "manifests": […], "questions": [{"from", "to", "port", "protocol",
// "allowed"}]}. Prints a result line for each name.
#include <fmt/core.h>
#include <netinet/in.h>

#include <iostream>
#include <string>
#include <vector>

#include "standalone/offline.h"
#include "trace/walk.h"

namespace {

using namespace weft;

uint8_t protocol_number(std::string_view name) {
  if (name == "UDP") return IPPROTO_UDP;
  return name == "SCTP" ? IPPROTO_SCTP : IPPROTO_TCP;
}

std::vector<kube::YamlDocument> manifests_of(const json::value& situation) {
  std::vector<kube::YamlDocument> out;
  for (const auto& object : situation.at("manifests").as_array())
    out.push_back({.value = object, .file = "case", .line = 1, .lines = {}});
  return out;
}

/// What differs; "": nothing.
Expected<std::string> answer(const trace::World& world, const json::value& question) {
  std::string from(question.at("from").as_string()), to(question.at("to").as_string());
  trace::Request request{.protocol = protocol_number(question.at("protocol").as_string()),
                         .port = static_cast<uint16_t>(question.at("port").to_number<int>())};
  WEFT_TRY(auto sources, trace::parse_source(world, from, "default"));
  WEFT_TRY(auto destination, trace::parse_destination(world, to, "default"));
  WEFT_TRY(auto result, trace::trace_connection(world, sources, destination, request));
  auto expected = question.at("allowed").as_bool() ? trace::Verdict::works : trace::Verdict::denied;
  if (result.outcome.verdict == expected) return std::string();
  return fmt::format("{} to {} {}/{}: {} is expected, and it is said: {} {}", from, to, *request.port,
                     question.at("protocol").as_string().c_str(), trace::name_of(expected),
                     trace::name_of(result.outcome.verdict), result.outcome.reason);
}

/// How many questions it answers; told at standard error: what differs.
Expected<size_t> answer_all(const json::value& situation, bool& same) {
  auto manifests = manifests_of(situation);
  WEFT_TRY(auto world, trace::build_world(manifests, standalone::offline_cluster(manifests)));
  const auto& questions = situation.at("questions").as_array();
  for (const auto& question : questions) {
    WEFT_TRY(auto difference, answer(*world, question));
    if (difference.empty()) continue;
    same = false;
    fmt::print(stderr, "{} step {}: {}\n", situation.at("name").as_string().c_str(),
               situation.at("step").to_number<int>(), difference);
  }
  return questions.size();
}

struct Case {
  std::string name;
  bool same = true;
  size_t questions = 0;

  void tell() const {
    if (!name.empty())
      fmt::print("{} {} ({} connections foretold)\n", same && questions > 0 ? "ok" : "not ok", name,
                 questions);
  }
};

}  // namespace

int main() {
  Case current;
  for (std::string line; std::getline(std::cin, line);) {
    boost::system::error_code error;
    auto situation = json::parse(line, error);
    if (error) {
      fmt::print(stderr, "{}\n", error.message());
      return 2;
    }
    std::string name(situation.at("name").as_string());
    if (name != current.name) {
      current.tell();
      current = {.name = name};
    }
    auto answered = answer_all(situation, current.same);
    if (!answered) {
      fmt::print(stderr, "{}: {}\n", name, answered.error().message);
      current.same = false;
      continue;
    }
    current.questions += *answered;
  }
  current.tell();
}
