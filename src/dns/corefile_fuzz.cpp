#include <cstdlib>

#include "dns/config_file.h"
#include "dns/overrides.h"
#include "dns/test_files.h"

// Any text as a Corefile, and as a file that it imports: it is refused with a file's name, or what it says
// can be used.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft::dns;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const TestFiles files{.files = {{"/etc/hosts", text}, {"/f/self", text}}, .variables = {{"A", text}}};
  auto file = read_corefile(text, "/f/Corefile", files.access());
  if (!file && !file.error().message.starts_with("/f/")) std::abort();
  if (file && !Overrides::compile(file->config)) std::abort();
  return 0;
}
