#include <cstdint>
#include <string_view>

#include "standalone/apimachinery/crd.h"
#include "standalone/apimachinery/fields.h"
#include "standalone/apimachinery/json_path.h"
#include "standalone/apimachinery/kinds.h"
#include "standalone/apimachinery/openapi.h"

/// A CustomResourceDefinition, a newline, an object of its kind.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto line = text.find('\n');
  boost::system::error_code error;
  auto crd = json::parse(text.substr(0, line), error);
  if (error) return 0;
  auto object = line == std::string_view::npos ? json::value() : json::parse(text.substr(line + 1), error);
  if (error) object = nullptr;
  const auto& kind = standalone::crd_kind();
  standalone::validate_create(kind.resource, *kind.schema, crd);
  auto versions = standalone::crd_versions(crd);
  if (!versions) return 0;
  for (const auto& version : *versions) {
    auto copy = object;
    standalone::prune(copy, *version.schema);
    standalone::default_object(version.resource, *version.schema, copy);
    standalone::validate_create(version.resource, *version.schema, copy);
    standalone::make_table(version.resource, version.columns, {&copy}, {}, standalone::IncludeObject::none,
                           {});
    for (const auto& column : version.columns) standalone::json_path(copy, column.path).has_value();
    standalone::openapi_v3({{version.resource, version.schema, version.has_status, false}},
                           version.resource.group, version.resource.version);
  }
  if (crd.is_object()) standalone::establish_crd(crd, "2026-01-01T00:00:00Z");
  return 0;
}
