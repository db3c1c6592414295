#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gateway/conditions.h"
#include "gateway/config/config.h"
#include "gateway/objects.h"
#include "gateway/references.h"

/// A Gateway of ours with its ListenerSets, without the routes: which listeners there are and what is wrong
/// with them.
namespace weft::gateway {

/// A listener of a Gateway or of one of its ListenerSets.
struct BoundListener {
  std::string owner;  ///< "Gateway/namespace/name" or "ListenerSet/namespace/name"
  std::string owner_namespace;
  std::string name;
  std::string hostname;
  uint16_t port = 0;
  std::optional<Protocol> protocol;  ///< nothing: not supported
  bool terminate = false;            ///< of tls
  std::vector<std::string> kinds;    ///< of routes that may be attached
  kube::FromNamespaces namespaces;   ///< of these routes
  std::vector<std::string> certificates;
  std::optional<ClientValidation> client_validation;
  std::string consumers;  ///< of a Service's port: the namespace whose clients it is for; "": all others

  Problem unaccepted;   ///< why it is not accepted
  Problem conflict;     ///< with which other listener; it is not accepted then either
  Problem unresolved;   ///< what of its references is wrong
  std::string overlap;  ///< a listener with TLS whose hostname overlaps
  bool usable = false;  ///< can be served

  std::string id() const { return owner + "/" + name; }
  bool accepted() const { return !unaccepted && !conflict; }
  bool operator==(const BoundListener&) const = default;
};

/// A ListenerSet that names the Gateway.
struct BoundSet {
  std::string key;
  int64_t generation = 0;
  bool allowed = false;
  bool operator==(const BoundSet&) const = default;
};

struct GatewayView {
  std::string key;
  int64_t generation = 0;
  Problem unaccepted;  ///< of the Gateway as a whole, listeners aside
  Problem unresolved;  ///< its own references
  std::string client_certificate;
  bool insecure = false;  ///< clients with wrong certificates are let in
  std::vector<BoundListener> listeners;
  std::vector<BoundSet> sets;
  Loaded loaded;
  std::vector<IpAddr> wanted;  ///< addresses it must have
  Entrance entrance;
  bool operator==(const GatewayView&) const = default;
};

/// Nothing: it is not there, is going, or is of somebody else's class.
std::optional<GatewayView> view_gateway(Lookup& look, CertificateStore& store, const std::string& key);

/// Whether the kind of routes fits the listener, and the namespace is one that it is open to.
bool admits(Lookup& look, const BoundListener& listener, const std::string& kind, const std::string& ns);

}  // namespace weft::gateway
