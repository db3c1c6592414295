#include "gateway/route/path_index.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace weft::gateway {
namespace {

/// Fewer are tried one by one faster than an automaton is run.
constexpr size_t kManyExpressions = 8;
/// Bytes that an automaton may grow to; what requests do not make it need is not used.
constexpr int64_t kAutomaton = int64_t{8} << 20;
constexpr int64_t kAutomatonPerExpression = int64_t{16} << 10;

/// Takes the next segment from a path that starts with "/".
std::string_view take_segment(std::string_view& path) {
  path.remove_prefix(1);
  std::string_view segment = path.substr(0, path.find('/'));
  path.remove_prefix(segment.size());
  return segment;
}

}  // namespace

void PathIndex::put_specific_first(Candidates& candidates) {
  std::ranges::sort(candidates, std::greater(), [](const Candidate& candidate) {
    const CompiledMatch& match = *candidate.match;
    return std::tuple(!match.match->method.empty(), match.headers.size(), match.query.size(),
                      ~candidate.order);
  });
}

void PathIndex::add(const CompiledRule& rule) {
  for (const CompiledMatch& match : rule.matches) {
    bool path_alone = match.match->method.empty() && match.headers.empty() && match.query.empty();
    Candidate candidate{&rule, &match, count_++, path_alone};
    switch (match.match->path_kind) {
      case PathKind::exact:
        exact_[match.path].push_back(candidate);
        break;
      case PathKind::prefix:
        nodes_[node_of(match.path)].candidates.push_back(candidate);
        break;
      case PathKind::regex:
        expressions_.push_back({match.path, match.path_regex.get(), {candidate}});
    }
  }
}

uint64_t PathIndex::edge_hash(uint32_t from, std::string_view segment) {
  // Its upper half is as good as the lower one, which chooses the slot.
  uint64_t hash = std::hash<std::string_view>{}(segment) + from * 0x9e3779b97f4a7c15;
  return hash ^ (hash >> 32);
}

size_t PathIndex::slot_of(uint64_t hash, uint32_t from, std::string_view segment) const {
  size_t mask = edges_.size() - 1;
  size_t slot = hash & mask;
  for (;; slot = (slot + 1) & mask) {
    const Edge& edge = edges_[slot];
    if (edge.to == 0 || (edge.hash == hash && edge.from == from && edge.segment == segment)) return slot;
  }
}

void PathIndex::grow_edges() {
  std::vector<Edge> old = std::exchange(edges_, std::vector<Edge>(std::max<size_t>(8, 2 * edges_.size())));
  for (const Edge& edge : old)
    if (edge.to != 0) edges_[slot_of(edge.hash, edge.from, edge.segment)] = edge;
}

uint32_t PathIndex::node_of(std::string_view prefix) {
  uint32_t node = 0;
  while (!prefix.empty()) {
    std::string_view segment = take_segment(prefix);
    if (3 * (edge_count_ + 1) > 2 * edges_.size()) grow_edges();
    uint64_t hash = edge_hash(node, segment);
    Edge& edge = edges_[slot_of(hash, node, segment)];
    if (edge.to == 0) {
      edge = {hash, node, static_cast<uint32_t>(nodes_.size()), segment};
      ++edge_count_;
      // Its parent for now; finish() skips those without candidates.
      nodes_.push_back({.above = node});
    }
    node = edge.to;
  }
  return node;
}

void PathIndex::finish() {
  for (auto& [path, candidates] : exact_) put_specific_first(candidates);
  // A node comes after its parent, whose `above` is final by then.
  for (Node& node : nodes_) {
    put_specific_first(node.candidates);
    if (nodes_[node.above].candidates.empty()) node.above = nodes_[node.above].above;
  }

  std::ranges::sort(expressions_, [](const Expression& a, const Expression& b) {
    return std::tuple(b.pattern.size(), a.pattern) < std::tuple(a.pattern.size(), b.pattern);
  });
  std::vector<Expression> distinct;
  for (Expression& expression : expressions_) {
    if (distinct.empty() || distinct.back().pattern != expression.pattern)
      distinct.push_back(std::move(expression));
    else
      distinct.back().candidates.push_back(expression.candidates.front());
  }
  expressions_ = std::move(distinct);
  for (Expression& expression : expressions_) put_specific_first(expression.candidates);
  if (expressions_.size() < kManyExpressions) return;
  re2::RE2::Options options;
  options.Copy(expressions_[0].regex->options());
  options.set_max_mem(kAutomaton + static_cast<int64_t>(expressions_.size()) * kAutomatonPerExpression);
  automaton_ = std::make_unique<re2::RE2::Set>(options, re2::RE2::ANCHOR_BOTH);
  for (const Expression& expression : expressions_)
    automaton_->Add({expression.pattern.data(), expression.pattern.size()}, nullptr);
  if (!automaton_->Compile()) automaton_.reset();
}

uint32_t PathIndex::longest_prefix(std::string_view path) const {
  uint32_t node = 0;
  while (path.starts_with('/') && edge_count_ > 0) {
    std::string_view segment = take_segment(path);
    uint32_t below = edges_[slot_of(edge_hash(node, segment), node, segment)].to;
    if (below == 0) break;
    node = below;
  }
  return nodes_[node].candidates.empty() ? nodes_[node].above : node;
}

std::vector<int> PathIndex::matching(std::string_view path) const {
  std::vector<int> found;
  re2::StringPiece text(path.data(), path.size());
  re2::RE2::Set::ErrorInfo error{re2::RE2::Set::kNoError};
  if (automaton_ && (automaton_->Match(text, &found, &error) || error.kind == re2::RE2::Set::kNoError)) {
    std::ranges::sort(found);
    return found;
  }
  // Also where the automaton ran out of memory for this text.
  found.clear();
  for (size_t i = 0; i < expressions_.size(); ++i)
    if (re2::RE2::FullMatch(text, *expressions_[i].regex)) found.push_back(static_cast<int>(i));
  return found;
}

}  // namespace weft::gateway
