#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "gateway/config/config.h"
#include "gateway/proxy/tls_client.h"
#include "gateway/proxy/tls_server.h"
#include "gateway/route/router.h"

namespace weft::gateway {

/// A snapshot made ready for the workers, who share it.
struct Compiled {
  std::shared_ptr<const Snapshot> snapshot;
  std::unordered_map<uint16_t, std::shared_ptr<const CompiledPort>> ports;  ///< TCP, by bind_port
  std::unordered_map<uint16_t, std::shared_ptr<const CompiledPort>> udp_ports;
  std::unordered_map<const Listener*, std::shared_ptr<const ListenerTls>> listener_tls;
  std::shared_ptr<const BackendTlsContexts> backend_tls;

  const CompiledPort* port(uint16_t bind_port) const {
    auto at = ports.find(bind_port);
    return at == ports.end() ? nullptr : at->second.get();
  }
  /// What takes a request for `host` (as in CompiledPort::listener) of this client.
  const CompiledListener* listener(const CompiledPort& port, std::string_view host,
                                   const IpAddr& client) const {
    const auto* own = consumer(port, client);
    return own ? own : port.listener(host);
  }
  /// What the port has for clients of this one's namespace alone, or nullptr.
  const CompiledListener* consumer(const CompiledPort& port, const IpAddr& client) const {
    if (port.config().consumers.empty() || !snapshot->clients) return nullptr;
    auto at = snapshot->clients->find(client);
    return at == snapshot->clients->end() ? nullptr : port.consumer(at->second);
  }
  const ListenerTls* tls(const Listener& listener) const {
    auto at = listener_tls.find(&listener);
    return at == listener_tls.end() ? nullptr : at->second.get();
  }
};

/// Makes them; what a change did not touch is not made again. Not for several threads.
class SnapshotCompiler {
 public:
  /// `errors` gets what could not be used; everything else works all the same.
  std::shared_ptr<const Compiled> compile(std::shared_ptr<const Snapshot> snapshot,
                                          std::vector<Error>& errors);

 private:
  /// What was made of values that are the same objects as long as they are equal.
  template <class T>
  struct Made {
    std::vector<std::shared_ptr<const void>> from;
    std::shared_ptr<const T> what;
  };
  std::shared_ptr<const ListenerTls> listener_tls(const Port& port, const Listener& listener,
                                                  const Certificates& certificates,
                                                  std::vector<Error>& errors);
  std::shared_ptr<const BackendTlsContexts> backend_tls(const Snapshot& snapshot, std::vector<Error>& errors);

  RouteCompiler routes_;
  std::map<std::string, Made<ListenerTls>> old_listeners_, listeners_;
  std::map<std::string, Made<BackendTlsContext>> backends_;
};

}  // namespace weft::gateway
