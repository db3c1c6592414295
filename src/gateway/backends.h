#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/config/config.h"
#include "gateway/objects.h"
#include "gateway/references.h"

/// From backendRefs to ports of Services, and from these to what a proxy needs to know.
namespace weft::gateway {

/// How a backend is talked to.
enum class Use {
  http,
  grpc,  ///< HTTP/2
  raw,   ///< bytes as they are: never with TLS of our own
  udp
};

/// A port of a Service as some routes use it.
struct BackendId {
  std::string service;  ///< "namespace/name"
  uint16_t port = 0;
  Use use = Use::http;
  std::string gateway;  ///< whose certificate it is shown; empty: none
  std::string key() const;
  /// Of Snapshot::endpoints.
  std::string endpoints_key() const;
  bool operator==(const BackendId&) const = default;
};

/// Whom a route's reference leads to, or what is wrong with it.
struct Target {
  std::optional<BackendId> id;
  Problem problem;
};

/// `gateway`: as in BackendId.
Target resolve_backend(Lookup& look, const Referrer& from, const kube::BackendObjectReference& ref, Use use,
                       const std::string& gateway);

/// `client_certificate`: of its gateway. Certificates that it needs are put into `loaded`.
Backend build_backend(Lookup& look, CertificateStore& store, const BackendId& id,
                      const std::string& client_certificate, Loaded& loaded);

/// Those that are ready; if none is, those that still serve while they end. Of the Service's first family
/// with any.
Endpoints build_endpoints(Lookup& look, const BackendId& id);

}  // namespace weft::gateway
