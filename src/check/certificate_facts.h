#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace weft::check {

/// What a server's certificate says of itself.
struct CertificateFacts {
  std::vector<std::string> names;  ///< DNS names (subjectAltName), in lower case
  std::chrono::system_clock::time_point begins, ends;
};

/// Of the first certificate of a chain, which is the server's; nothing: there is none, or its times are none.
std::optional<CertificateFacts> facts_of(const std::string& chain_pem);

}  // namespace weft::check
