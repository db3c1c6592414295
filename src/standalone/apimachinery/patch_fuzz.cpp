#include <cstdint>
#include <string_view>

#include "kube/codec.h"
#include "kube/pod.h"
#include "standalone/apimachinery/fields.h"
#include "standalone/apimachinery/patch.h"

/// The first byte chooses the kind of patch; a newline parts the document from the patch.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft;
  if (size == 0) return 0;
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  auto line = text.find('\n');
  if (line == std::string_view::npos) return 0;
  standalone::duplicate_fields(text.substr(0, line));
  boost::system::error_code error;
  auto document = json::parse(text.substr(0, line), error);
  if (error) return 0;
  auto patch = json::parse(text.substr(line + 1), error);
  if (error) return 0;
  const auto& schema = *kube::schema_of<kube::Pod>();
  Expected<json::value> result = document;
  if (data[0] % 3 == 0) {
    result = standalone::json_patch(document, patch);
  } else if (data[0] % 3 == 1) {
    result = standalone::merge_patch(document, patch);
  } else {
    result = standalone::strategic_merge_patch(document, patch, schema);
  }
  if (!result) return 0;
  standalone::check_types(*result, schema).has_value();
  standalone::drop_nulls(*result, schema);
  standalone::prune(*result, schema);
  standalone::apply_defaults(*result, schema);
  return 0;
}
