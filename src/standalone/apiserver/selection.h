#pragma once

#include "kube/selector.h"
#include "standalone/apiserver/kind_table.h"
#include "standalone/apiserver/request.h"
#include "standalone/apiserver/status.h"

namespace weft::standalone {

/// Which objects of a collection a request is about: ?labelSelector= and ?fieldSelector=.
class Selection {
 public:
  /// bad_request for a selector that cannot be read, or a field that the kind cannot be selected by.
  static ApiResult<Selection> parse(const ServedKind& kind, const ApiRequest& request);

  bool matches(const json::value& object) const;
  bool everything() const { return labels_.empty() && fields_.terms().empty(); }
  /// The only name that can match, if there is one: metadata.name=x.
  std::optional<std::string> only_name() const;
  void require_name(const std::string& name) { name_ = name; }

 private:
  kube::Selector labels_;
  kube::FieldSelector fields_;
  std::optional<std::string> name_;
};

}  // namespace weft::standalone
