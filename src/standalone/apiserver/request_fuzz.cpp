#include <cstddef>
#include <cstdint>

#include "standalone/apiserver/body.h"
#include "standalone/apiserver/log_lines.h"
#include "standalone/apiserver/selection.h"
#include "standalone/apiserver/target.h"

/// The first line of the input is a request's target, the second its Accept, the rest its body: all that the
/// server reads before it looks at its store.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft::standalone;
  static const KindTable kinds;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto take_line = [&] {
    auto end = text.find('\n');
    auto line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    return line;
  };
  ApiRequest request;
  bool good = parse_target(take_line(), request).has_value();
  (void)parse_accept(take_line());
  request.body = text;
  request.method = "POST";
  auto target = good ? find_target(kinds, request.path) : std::nullopt;
  auto kind = target ? target->kind : kinds.find("", "v1", "services");
  if (target) (void)verb_of(request, *target);
  (void)Selection::parse(*kind, request);
  bool dry = false;
  (void)delete_options(request, dry);
  for (const char* type : {"application/json", "application/yaml"}) {
    auto object = parse_body(request, type);
    std::vector<std::string> warnings;
    if (object) (void)clean_object(*kind, *object, FieldValidation::warn, text, warnings);
  }
  LogFilter filter({.tail_lines = 3, .timestamps = true});
  (void)filter.feed(text.substr(tail_offset(text, 3)));
  return 0;
}
