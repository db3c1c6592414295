#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kube/json.h"
#include "kube/resource.h"
#include "kube/time.h"

namespace weft::standalone {

/// A column of additionalPrinterColumns.
struct PrinterColumn {
  std::string name;
  std::string type;  ///< string, integer, number, boolean, date
  std::string path;  ///< JSONPath: ".status.phase", ".status.conditions[?(@.type==\"Ready\")].status"
  std::string description;
  int64_t priority = 0;  ///< above 0: only with -o wide
  std::string format;
};

/// What each row carries of its object (?includeObject=).
enum class IncludeObject { none, metadata, object };

/// A meta.k8s.io/v1 Table of objects of one kind, as `kubectl get` asks for it with "Accept:
/// application/json;as=Table". Built-in kinds have their own columns; `columns` are those of a custom kind
/// (empty: NAME and AGE). `list_metadata` becomes the table's metadata. `with_columns` false leaves the
/// definitions out, for every event of a watch but the first.
json::object make_table(const kube::ResourceInfo& kind, const std::vector<PrinterColumn>& columns,
                        const std::vector<const json::value*>& objects, json::object list_metadata,
                        IncludeObject include, kube::TimePoint now, bool with_columns = true);

/// Durations as kubectl prints them: "5s", "2m30s", "3h", "4d5h", "2y10d".
std::string human_duration(std::chrono::seconds duration);

}  // namespace weft::standalone
