#include <fmt/chrono.h>
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

#include "check/certificate_facts.h"
#include "check/context.h"
#include "gateway/certificates.h"
#include "gateway/route/host_table.h"
#include "kube/base64.h"
#include "kube/codec.h"
#include "kube/config.h"
#include "kube/gateway.h"
#include "kube/networking.h"

/// Whether certificates are for the hosts that listeners and Ingresses have, and are valid now. Whether they
/// can be used at all is for the Gateway's own plan to say.
namespace weft::check {
namespace {

/// A wildcard stands for one label (RFC 6125, 6.4.3).
bool covers(std::string_view name, std::string_view host) {
  if (name == host) return true;
  auto dot = host.find('.');
  return name.starts_with("*.") && dot != host.npos && dot > 0 && host.front() != '*' &&
         name.substr(1) == host.substr(dot);
}

/// Of a listener with a wildcard, a certificate for some of its hosts may be all that routes need.
bool fits(std::string_view name, std::string_view host) {
  return covers(name, host) || (host.starts_with("*.") && gateway::takes_host(host, name));
}

class CertificateCheck {
 public:
  explicit CertificateCheck(const Context& context) : context_(context) {}

  void check_gateway(const Written& gateway) const {
    const auto* spec = kube::member(gateway.document.value, "spec");
    const auto* listeners = spec ? kube::member(*spec, "listeners") : nullptr;
    if (!listeners || !listeners->is_array()) return;
    for (size_t i = 0; i < listeners->get_array().size(); ++i) {
      auto listener = kube::decode<kube::GatewayListener>(listeners->get_array()[i]);
      if (!listener || !listener->tls || listener->tls->mode.value_or("Terminate") != "Terminate") continue;
      std::vector<std::string> secrets;
      for (const auto& ref : listener->tls->certificateRefs) {
        if (ref.kind.value_or("Secret") == "Secret" && ref.group.value_or("").empty())
          secrets.push_back(trace::key_of(ref.namespace_.empty() ? gateway.ns : ref.namespace_, ref.name));
      }
      auto field = fmt::format("spec.listeners[{}]", i);
      check_pairs(secrets, listener->hostname, gateway.at(context_, field + ".tls"));
    }
  }

  void check_ingress(const Written& ingress) const {
    auto object = kube::decode<kube::Ingress>(ingress.document.value);
    if (!object) return;
    for (size_t i = 0; i < object->spec.tls.size(); ++i) {
      const auto& tls = object->spec.tls[i];
      auto where = ingress.at(context_, fmt::format("spec.tls[{}]", i));
      auto secret = trace::key_of(ingress.ns, tls.secretName);
      if (auto problem = problem_of(secret)) {
        context_.add("WEFT0125", Severity::error, where, *problem,
                     "Name a Secret of type kubernetes.io/tls with a certificate and its key");
        continue;
      }
      // Each of its hosts is served with it.
      check_pairs({secret}, tls.hosts.empty() ? std::string() : tls.hosts.front(), where);
      for (size_t j = 1; j < tls.hosts.size(); ++j) check_names({secret}, tls.hosts[j], where);
    }
  }

 private:
  std::optional<kube::Secret> secret(const std::string& key) const {
    const auto at = context_.documents.find("Secret/" + key);
    if (at == context_.documents.end()) return {};
    auto decoded = kube::decode<kube::Secret>(at->second->value);
    if (!decoded) return {};
    // An API server takes this as text and keeps it as bytes.
    for (const auto& [name, value] : decoded->stringData) decoded->data[name] = kube::encode_base64(value);
    return std::move(*decoded);
  }

  /// Of one that is there.
  std::optional<std::string> problem_of(const std::string& key) const {
    auto object = secret(key);
    if (!object) return {};
    auto pair = gateway::read_pair(*object);
    return pair ? std::nullopt : std::optional(pair.error().message);
  }

  /// nothing: it is not there, or cannot be read, which is told elsewhere.
  std::optional<CertificateFacts> facts(const std::string& key) const {
    auto object = secret(key);
    if (!object) return {};
    auto pair = gateway::read_pair(*object);
    return pair ? facts_of(pair->chain_pem) : std::nullopt;
  }

  void check_pairs(const std::vector<std::string>& secrets, const std::string& host,
                   const trace::ObjectRef& where) const {
    for (const auto& key : secrets) check_time(key, where);
    check_names(secrets, host, where);
  }

  void check_time(const std::string& key, const trace::ObjectRef& where) const {
    auto facts_ = facts(key);
    if (!facts_ || (facts_->begins <= context_.now && context_.now <= facts_->ends)) return;
    bool over = context_.now > facts_->ends;
    context_.add("WEFT0129", Severity::error, where,
                 fmt::format("the certificate in Secret {} {} {:%Y-%m-%d}: clients refuse it", key,
                             over ? "was valid until" : "is not valid before",
                             fmt::gmtime(over ? facts_->ends : facts_->begins)),
                 over ? "Renew it" : "Correct its times");
  }

  /// Any of several may be the host's.
  void check_names(const std::vector<std::string>& secrets, const std::string& host,
                   const trace::ObjectRef& where) const {
    std::vector<std::string> names;
    for (const auto& key : secrets) {
      auto facts_ = facts(key);
      if (!facts_) return;
      std::ranges::copy(facts_->names, std::back_inserter(names));
    }
    if (host.empty() || secrets.empty() ||
        std::ranges::any_of(names, [&](const auto& name) { return fits(name, host); }))
      return;
    context_.add("WEFT0128", Severity::error, where,
                 fmt::format("the certificate in Secret {} is not for {}: its DNS names are {}",
                             fmt::join(secrets, ", "), host,
                             names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))),
                 "Use a certificate for the host, or another hostname");
  }

  const Context& context_;
};

}  // namespace

void check_certificates(const Context& context) {
  const CertificateCheck check(context);
  for (const auto& document : context.manifests) {
    const Written object(document);
    if (object.kind == "Gateway" || object.kind == "ListenerSet") check.check_gateway(object);
    if (object.kind == "Ingress") check.check_ingress(object);
  }
}

}  // namespace weft::check
