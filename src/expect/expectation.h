#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "kube/yaml.h"
#include "trace/walk.h"

/// What people expect of connections, as they write it beside manifests (docs/test.md).
namespace weft::expect {

inline constexpr std::string_view kApiVersion = "weft.dev/v1alpha1";
inline constexpr std::string_view kKind = "Expectations";

/// An object that has to have decided: "NetworkPolicy/shop/web".
struct Decider {
  std::string kind, namespace_, name;
  std::string str() const;
};

/// One connection, and what has to become of it.
struct Expectation {
  std::string name;  ///< of its own, or "FROM → TO"
  std::string file;
  int line = 0;
  std::string ns;  ///< of names that are written without one
  std::string from, to;
  trace::Request request;
  // What is expected; all of it has to hold.
  std::optional<trace::Verdict> verdict;
  std::optional<int> status;  ///< of HTTP
  std::string location;       ///< where it redirects to
  std::vector<std::string>
      backends;  ///< pods or workloads one of which answers: "shop/web", "deployment/shop/web"
  std::vector<std::string> answers;  ///< what the name stands for: addresses, service/NAME, pod/NAME
  std::vector<Decider> by;           ///< all of which have to have had a say

  std::string place() const;  ///< "FILE:LINE"
  /// Says nothing: prediction and reality have to agree, whatever they say.
  bool is_open() const;
};

/// The expectations of documents of the kind Expectations. Fails on everything that is not understood, with
/// "FILE:LINE: ".
Expected<std::vector<Expectation>> read_expectations(const std::vector<kube::YamlDocument>& documents);

/// Manifests, and what is expected of them.
struct Suite {
  std::vector<kube::YamlDocument> manifests;
  std::vector<Expectation> expectations;
};
/// Files and folders; in a folder files that end with .weft.yaml hold expectations, all others manifests.
Expected<Suite> load_suite(const std::vector<std::string>& paths);

}  // namespace weft::expect
