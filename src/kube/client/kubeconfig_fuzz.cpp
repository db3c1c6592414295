#include <cstdint>
#include <cstdlib>
#include <string>

#include "kube/client/kubeconfig.h"

/// What is read from any text can be written and read again.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  auto config = weft::kube::parse_kubeconfig(text, "/nonexistent/fuzz");
  if (!config) return 0;
  auto again = weft::kube::parse_kubeconfig(weft::kube::write_kubeconfig(*config, "a"), "/nonexistent/again");
  if (!again || again->host != config->host || again->port != config->port || again->tls != config->tls ||
      again->key_pem != config->key_pem)
    std::abort();
  return 0;
}
