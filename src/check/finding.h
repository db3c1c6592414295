#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kube/json.h"
#include "trace/origin.h"

/// What is wrong with networking manifests.
namespace weft::check {

/// note: it may be right, as what it needs may be elsewhere.
enum class Severity { error, warning, note };
std::string_view name_of(Severity severity);

/// A sort of fault, with a code that stays.
struct Rule {
  std::string_view code;     ///< "WEFT0104"
  std::string_view summary;  ///< "a Service's named targetPort is the name of no container's port"
};
/// All there are, by code.
const std::vector<Rule>& rules();

struct Finding {
  std::string code;
  Severity severity = Severity::error;
  trace::ObjectRef where;
  std::string message;  ///< what is wrong, and why
  std::string fix;      ///< what to do; may be empty

  /// "shop.yaml:12: error [WEFT0104] Service shop/web spec.ports[0]: MESSAGE. FIX".
  std::string str() const;
};

/// [{"code", "severity", "object": {"kind", "namespace", "name", "field"}, "file", "line", "message",
/// "fix"}].
json::array to_json(const std::vector<Finding>& findings);
/// A run of SARIF 2.1.0 (OASIS), for code hosting.
json::object to_sarif(const std::vector<Finding>& findings);

}  // namespace weft::check
