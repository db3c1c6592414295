#include "gateway/proxy/compiled.h"

#include <fmt/format.h>

namespace weft::gateway {

namespace {

void add(std::vector<std::shared_ptr<const void>>& from, std::span<const std::string> keys, const auto& map) {
  for (const std::string& key : keys)
    if (auto at = map.find(key); at != map.end()) from.emplace_back(at->second);
}

}  // namespace

std::shared_ptr<const ListenerTls> SnapshotCompiler::listener_tls(const Port& port, const Listener& listener,
                                                                  const Certificates& certificates,
                                                                  std::vector<Error>& errors) {
  std::string key = fmt::format("{}:{} {}/{}/{}/{} {} {}", port.gateway, port.port, listener.why.kind,
                                listener.why.namespace_, listener.why.name, listener.why.section,
                                listener.hostname, static_cast<int>(listener.protocol));
  std::vector<std::shared_ptr<const void>> from;
  add(from, listener.certificates, certificates.pairs);
  if (listener.client_validation) {
    key += listener.client_validation->allow_insecure ? " insecure" : " validated";
    add(from, listener.client_validation->ca_bundles, certificates.ca_bundles);
  }
  auto old = old_listeners_.find(key);
  std::shared_ptr<const ListenerTls> made = old != old_listeners_.end() && old->second.from == from
                                                ? old->second.what
                                                : ListenerTls::create(listener, certificates, errors);
  listeners_[key] = {std::move(from), made};
  return made;
}

std::shared_ptr<const BackendTlsContexts> SnapshotCompiler::backend_tls(const Snapshot& snapshot,
                                                                        std::vector<Error>& errors) {
  auto contexts = std::make_shared<BackendTlsContexts>();
  std::map<std::string, Made<BackendTlsContext>> made;
  for (const auto& [name, backend] : *snapshot.backends) {
    if (!backend->tls || backend->broken) continue;
    std::vector<std::shared_ptr<const void>> from = {backend};
    add(from, backend->tls->ca_bundles, snapshot.certificates->ca_bundles);
    add(from, {&backend->tls->client_certificate, 1}, snapshot.certificates->pairs);
    auto old = backends_.find(name);
    std::shared_ptr<const BackendTlsContext> context;
    if (old != backends_.end() && old->second.from == from) {
      context = old->second.what;
    } else {
      auto created = BackendTlsContext::create(*backend->tls, backend->protocol, *snapshot.certificates);
      if (!created) {
        errors.push_back(in_context("TLS to backend " + name, created.error()).error());
        continue;
      }
      context = std::move(*created);
    }
    contexts->add(name, context);
    made[name] = {std::move(from), std::move(context)};
  }
  backends_ = std::move(made);
  return contexts;
}

std::shared_ptr<const Compiled> SnapshotCompiler::compile(std::shared_ptr<const Snapshot> snapshot,
                                                          std::vector<Error>& errors) {
  auto compiled = std::make_shared<Compiled>();
  for (const auto& port : snapshot->ports) {
    (port->udp ? compiled->udp_ports : compiled->ports)[port->bind_port] = routes_.compile(port);
    for (const auto& listener : port->listeners)
      if (!listener->certificates.empty())
        compiled->listener_tls[listener.get()] =
            listener_tls(*port, *listener, *snapshot->certificates, errors);
  }
  old_listeners_ = std::exchange(listeners_, {});
  compiled->backend_tls = backend_tls(*snapshot, errors);
  compiled->snapshot = std::move(snapshot);
  return compiled;
}

}  // namespace weft::gateway
