#include "standalone/apiserver/patching.h"

#include <fmt/core.h>

#include "kube/time.h"
#include "standalone/apimachinery/apply.h"
#include "standalone/apimachinery/patch.h"

namespace weft::standalone {

ApiResult<json::value> apply_patch(const ServedKind& kind, const json::value& object,
                                   const json::value& patch, std::string_view type) {
  if (type == "application/json-patch+json") {
    WEFT_TRY(auto out, json_patch(object, patch));
    return out;
  }
  bool strategic = type == "application/strategic-merge-patch+json";
  if (type != "application/merge-patch+json" && (!strategic || kind.custom)) {
    return fail(
        ErrorCode::unsupported_media_type,
        fmt::format("the body of the request was in an unknown format - accepted media types include: "
                    "application/json-patch+json, application/merge-patch+json, {}"
                    "application/apply-patch+yaml",
                    kind.custom ? "" : "application/strategic-merge-patch+json, "));
  }
  if (!patch.is_object()) return fail(ErrorCode::bad_request, "the patch is no JSON object");
  if (!strategic) return merge_patch(object, patch);
  WEFT_TRY(auto out, strategic_merge_patch(object, patch, *kind.schema));
  return out;
}

ApiResult<json::value> apply_config(const Write& write, const json::value& live, const json::value& config,
                                    bool force) {
  std::vector<ApplyConflict> conflicts;
  FieldManager manager{.name = write.manager,
                       .api_version = write.kind->info.api_version(),
                       .subresource = write.subresource,
                       .now = kube::now_time(),
                       .has_status = write.kind->has_status};
  auto merged = server_side_apply(live, config, *write.kind->schema, manager, force, conflicts);
  if (merged) return std::move(*merged);
  ApiFailure failure(
      merged.error(),
      {.name = write.name, .group = write.kind->info.group, .kind = write.kind->info.plural, .causes = {}});
  for (auto& conflict : conflicts) {
    failure.details.causes.push_back(
        {.reason = "FieldManagerConflict", .field = conflict.field, .message = conflict.message});
  }
  return std::unexpected(std::move(failure));
}

}  // namespace weft::standalone
