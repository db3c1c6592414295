#include <cstdlib>

#include "dns/config_file.h"
#include "dns/overrides.h"
#include "dns/test_files.h"

// Any text as Weft's configuration: it is refused with a file's name, or what it says can be used.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft::dns;
  static const TestFiles files{.files = {{"/etc/hosts", "10.0.0.1 a b\n"}}, .variables = {}};
  auto file = read_yaml_config({reinterpret_cast<const char*>(data), size}, "f", files.access());
  if (!file && !file.error().message.starts_with("f")) std::abort();
  if (file && !Overrides::compile(file->config)) std::abort();
  return 0;
}
