#pragma once

#include <re2/set.h>

#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gateway/route/compiled_rule.h"

namespace weft::gateway {

/// A match, and the rule that it belongs to.
struct Candidate {
  const CompiledRule* rule = nullptr;
  const CompiledMatch* match = nullptr;
  uint32_t order = 0;       ///< among the matches of its host
  bool path_alone = false;  ///< the match asks for nothing else
};

/// The matches of a host by their path, so that the work for a request does not grow with their number: a
/// hash table of exact paths, a tree of the prefixes' segments, and one automaton of all regular expressions.
/// Points into the rules, which have to outlive it.
class PathIndex {
 public:
  /// Earlier rules go before later ones that are as specific.
  void add(const CompiledRule& rule);
  /// After the last add, before the first find.
  void finish();

  /// The first candidate, the most specific first, whose path is `path` and that `accept` takes; or none.
  template <class Accept>
  Candidate find(std::string_view path, Accept accept) const;

 private:
  using Candidates = std::vector<Candidate>;
  struct Node {
    uint32_t above = 0;  ///< the nearest node up the tree with candidates, or the root
    Candidates candidates;
  };
  /// The way from a node to the one below it by a segment: a slot of an open hash table, so that a look-up
  /// costs little memory traffic. `to` 0: empty.
  struct Edge {
    uint64_t hash = 0;
    uint32_t from = 0;
    uint32_t to = 0;
    std::string_view segment;
  };
  struct Expression {
    std::string_view pattern;
    const re2::RE2* regex;
    Candidates candidates;
  };

  static void put_specific_first(Candidates& candidates);
  static uint64_t edge_hash(uint32_t from, std::string_view segment);
  /// Where the edge is, or would be. Not without slots.
  size_t slot_of(uint64_t hash, uint32_t from, std::string_view segment) const;
  void grow_edges();
  uint32_t node_of(std::string_view prefix);
  /// The longest prefix of the path that has candidates, or the root.
  uint32_t longest_prefix(std::string_view path) const;
  /// Indices of the expressions that match the path, in order.
  std::vector<int> matching(std::string_view path) const;

  template <class Accept>
  static Candidate first(const Candidates& candidates, Accept& accept) {
    for (const Candidate& candidate : candidates)
      if (accept(candidate)) return candidate;
    return {};
  }

  uint32_t count_ = 0;
  std::unordered_map<std::string_view, Candidates> exact_;
  std::vector<Node> nodes_ = std::vector<Node>(1);
  std::vector<Edge> edges_;  ///< a power of two, or none; at most two thirds are used
  size_t edge_count_ = 0;
  std::vector<Expression> expressions_;       ///< the longest first
  std::unique_ptr<re2::RE2::Set> automaton_;  ///< of all of them, where there are many
};

template <class Accept>
Candidate PathIndex::find(std::string_view path, Accept accept) const {
  if (auto at = exact_.find(path); at != exact_.end())
    if (Candidate found = first(at->second, accept); found.rule) return found;
  if (!expressions_.empty())
    for (int i : matching(path))
      if (Candidate found = first(expressions_[i].candidates, accept); found.rule) return found;
  for (uint32_t node = longest_prefix(path);; node = nodes_[node].above) {
    if (Candidate found = first(nodes_[node].candidates, accept); found.rule || node == 0) return found;
  }
}

}  // namespace weft::gateway
