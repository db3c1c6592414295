#include <cstdlib>

#include "policy/domain_file.h"

// Any bytes as a line of the file: what is understood is one address of one name.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft::policy;
  auto known = parse_known_domain({reinterpret_cast<const char*>(data), size});
  if (!known) return 0;
  if (known->name.empty() || known->name.find(' ') != std::string::npos) std::abort();
  DomainTable table;
  table.restore(*known);
  if (table.size() != (known->until == KnownDomain::Time() ? 0U : 1U)) std::abort();
  table.remove(*known);
  return table.size() == 0 ? 0 : (std::abort(), 0);
}
