#pragma once

#include <string>
#include <vector>

#include "standalone/apimachinery/table.h"
#include "standalone/apiserver/http_server.h"
#include "standalone/apiserver/kind_table.h"
#include "standalone/apiserver/request.h"
#include "standalone/apiserver/status.h"
#include "standalone/apiserver/store.h"

/// How objects are sent: as they are, as rows of a Table, or as their metadata alone, whatever the client
/// accepts.
namespace weft::standalone {

/// What goes with a list.
struct ListHead {
  uint64_t version = 0;
  std::string continue_token;
  std::optional<int64_t> remaining;
};

class Representation {
 public:
  /// 406 when nothing the client accepts can be sent.
  static ApiResult<Representation> choose(const ServedKindPtr& kind, const ApiRequest& request);

  ApiResponse object(const ObjectPtr& object, int status = 200) const;
  ApiResponse list(const std::vector<ObjectPtr>& objects, const ListHead& head) const;
  /// One line of a watch.
  std::string event(std::string_view type, const ObjectPtr& object, bool first) const;
  std::string bookmark(uint64_t version, bool initial_events_end) const;
  const char* content_type() const { return "application/json"; }

 private:
  std::string text_of(const ObjectPtr& object, bool with_columns) const;
  json::object metadata_only(const json::value& object) const;

  ServedKindPtr kind_;
  Accept::Form form_ = Accept::Form::plain;
  IncludeObject include_ = IncludeObject::metadata;
};

/// A JSON answer.
ApiResponse json_response(const json::value& value, int status = 200);
ApiResponse failure_response(const ApiFailure& failure);

}  // namespace weft::standalone
