#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "base/error.h"
#include "gateway/config/config.h"
#include "gateway/objects.h"

/// Certificates and keys of Secrets, CAs of ConfigMaps: what is handed out can be loaded.
namespace weft::gateway {

/// tls.crt (a chain, the server's certificate first) and tls.key of a Secret. The key has to fit the first
/// certificate.
Expected<CertificatePair> read_pair(const kube::Secret& secret);
/// ca.crt of a ConfigMap: one certificate or more.
Expected<std::string> read_bundle(const kube::ConfigMap& map);

/// Reads each object once, as long as it is the same.
class CertificateStore {
 public:
  Expected<Ptr<CertificatePair>> pair(const Ptr<kube::Secret>& secret);
  Expected<Ptr<std::string>> bundle(const Ptr<kube::ConfigMap>& map);

 private:
  template <class Object, class Value>
  struct Entry {
    Ptr<Object> object;
    Expected<Ptr<Value>> value;
  };
  std::unordered_map<std::string, Entry<kube::Secret, CertificatePair>> pairs_;
  std::unordered_map<std::string, Entry<kube::ConfigMap, std::string>> bundles_;
};

}  // namespace weft::gateway
