#include <cstddef>
#include <cstdint>
#include <string_view>

#include "kube/yaml.h"
#include "trace/walk.h"

namespace {

constexpr const char* kSources[] = {"outside", "default/a", "node/a", "10.0.0.1", "deployment/a"};
constexpr const char* kDestinations[] = {"http://a.default/x?y", "a:80", "service/a", "pod/a", "gateway/a",
                                         "10.96.0.10:53"};

/// Objects are taken as they are, so that those that no API server would let in come through as well.
weft::trace::Machinery without_server() {
  weft::trace::Machinery out;
  out.complete = [](weft::json::value&) { return weft::Expected<void>{}; };
  out.place = [](const auto&, const auto&, const auto& nodes) {
    return nodes.empty() ? std::string() : nodes.begin()->first;
  };
  return out;
}

}  // namespace

/// Manifests, and behind a line "---- " a destination of the fuzzer's own: nothing crashes, and no verdict
/// that is not `works` is without a reason.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto end = text.find("\n---- ");
  std::string_view own = end == text.npos ? std::string_view("b") : text.substr(end + 6);
  auto documents = kube::parse_yaml(text.substr(0, end), "fuzz.yaml");
  if (!documents) return 0;
  std::erase_if(*documents, [](const auto& document) { return !document.value.is_object(); });
  for (bool observed : {false, true}) {
    auto machinery = without_server();
    machinery.observed = observed;
    auto world = trace::build_world(*documents, machinery);
    if (!world) continue;
    for (const char* from : kSources) {
      auto sources = trace::parse_source(**world, from, "default");
      if (!sources) continue;
      auto ask = [&](std::string_view to) {
        auto destination = trace::parse_destination(**world, to, "default");
        if (!destination) return;
        auto result = trace::trace_connection(**world, *sources, *destination, {});
        if (!result) return;
        if (result->exit_code() != 0 && result->outcome.reason.empty()) __builtin_trap();
        result->to_text();
        json::serialize(result->to_json());
      };
      for (const char* to : kDestinations) ask(to);
      ask(own);
    }
  }
  return 0;
}
