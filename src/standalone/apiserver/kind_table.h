#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kube/resource.h"
#include "kube/schema.h"
#include "standalone/apimachinery/crd.h"

namespace weft::standalone {

/// A kind in one version, as it is served: built in, or from a CustomResourceDefinition.
struct ServedKind {
  kube::ResourceInfo info;
  std::string list_kind;
  kube::SchemaPtr schema;
  bool has_status = false;
  std::optional<ScalePaths> scale;
  bool custom = false;
  bool yields = false;  ///< built in, until a CustomResourceDefinition defines it
  std::vector<PrinterColumn> columns;
  std::vector<std::string> selectable_fields;  ///< of a custom kind: ".spec.color"
  std::string warning;                         ///< for whoever uses a deprecated version
  std::string storage_version;                 ///< apiVersion that objects are stored with

  /// The name of its collection in the store; the same for all versions.
  std::string store_key() const { return info.group + "/" + info.plural; }
};
using ServedKindPtr = std::shared_ptr<const ServedKind>;

/// All that is served now.
class KindTable {
 public:
  /// The built-in kinds.
  KindTable();
  ServedKindPtr find(std::string_view group, std::string_view version, std::string_view plural) const;
  /// By its kind, as an owner reference has it; of another version if this one is not served.
  ServedKindPtr find_kind(std::string_view api_version, std::string_view kind) const;
  /// By the store's key; any version.
  ServedKindPtr find_stored(std::string_view store_key) const;
  const std::vector<ServedKindPtr>& all() const { return kinds_; }
  /// Serves the versions of a CustomResourceDefinition, in place of those it had before or of a built-in kind
  /// that yields.
  void serve_custom(const std::vector<CrdVersion>& versions);
  /// Takes all versions of a custom kind away; a built-in kind that had yielded is back.
  void remove_custom(const std::string& store_key);
  /// Counts changes: what is derived from the table is good as long as this stays.
  uint64_t generation() const { return generation_; }

 private:
  std::vector<ServedKindPtr> kinds_;
  std::vector<ServedKindPtr> yielded_;  ///< in whose place custom kinds are
  uint64_t generation_ = 1;
};

}  // namespace weft::standalone
