#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "kube/codec.h"
#include "kube/pod.h"
#include "standalone/apimachinery/apply.h"

/// A live object (or null), a newline, a configuration.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto line = text.find('\n');
  if (line == std::string_view::npos) return 0;
  boost::system::error_code error;
  auto live = json::parse(text.substr(0, line), error);
  if (error || (!live.is_object() && !live.is_null())) return 0;
  auto config = json::parse(text.substr(line + 1), error);
  if (error) return 0;
  const auto& schema = *kube::schema_of<kube::Pod>();
  standalone::FieldManager manager{
      .name = "me", .api_version = "v1", .subresource = {}, .now = "2026-01-01T00:00:00Z"};
  std::vector<standalone::ApplyConflict> conflicts;
  auto applied = standalone::server_side_apply(live, config, schema, manager, true, conflicts);
  if (applied) {
    // Applied once more, nothing changes.
    auto again = standalone::server_side_apply(*applied, config, schema, manager, false, conflicts);
    if (!again || *again != *applied) std::abort();
    standalone::track_update(live, *applied, schema, manager);
  }
  standalone::track_update(live, config, schema, manager);
  return 0;
}
