#pragma once

#include <string>
#include <vector>

#include "base/error.h"

namespace weft::standalone {

struct KeyPair {
  std::string cert_pem;
  std::string key_pem;
};

/// A certificate authority of one cluster: P-256, made at the first start and kept with the state.
class Authority {
 public:
  /// Reads ca.crt and ca.key in `dir`, or makes them there (key mode 0600).
  static Expected<Authority> open(const std::string& dir);

  const std::string& cert_pem() const { return pair_.cert_pem; }
  /// For servers: `names` are DNS names or addresses.
  Expected<KeyPair> issue_server(const std::vector<std::string>& names) const;
  /// For clients: the user is the common name, the groups its organizations (as kube-apiserver reads them).
  Expected<KeyPair> issue_client(const std::string& user, const std::vector<std::string>& groups) const;

 private:
  KeyPair pair_;
};

/// Writes a file that only its owner may read, replacing an older one in one step.
Expected<void> write_private_file(const std::string& path, const std::string& content);

}  // namespace weft::standalone
