#include <boost/json/parse.hpp>
#include <cstdint>
#include <cstdlib>

#include "kube/apps.h"
#include "kube/codec.h"
#include "kube/config.h"
#include "kube/networking.h"
#include "kube/pod.h"
#include "kube/service.h"

namespace {

/// What decodes encodes to something that decodes to the same.
template <class T>
void try_kind(const weft::json::value& value) {
  auto object = weft::kube::decode<T>(value);
  if (!object) return;
  auto again = weft::kube::decode<T>(weft::kube::encode(*object));
  if (!again || !(weft::kube::encode(*again) == weft::kube::encode(*object))) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft::kube;
  weft::json::error_code error;
  auto value = weft::json::parse({reinterpret_cast<const char*>(data), size}, error);
  if (error) return 0;
  try_kind<Pod>(value);
  try_kind<Service>(value);
  try_kind<EndpointSlice>(value);
  try_kind<StatefulSet>(value);
  try_kind<NetworkPolicy>(value);
  try_kind<Ingress>(value);
  try_kind<Secret>(value);
  return 0;
}
