#pragma once

#include <boost/asio/io_context.hpp>
#include <string>

#include "standalone/apiserver/registry.h"

namespace weft::standalone {

/// What a namespace is given when it is made (ServiceAccount default, ConfigMap kube-root-ca.crt), and how
/// one ends: its content is deleted first, then it.
class NamespaceLifecycle {
 public:
  NamespaceLifecycle(boost::asio::io_context& io, Store& store, const KindTable& kinds, Registry& registry,
                     std::string ca_pem);
  /// Takes up what an earlier run left half done.
  void restore();

 private:
  void on_change(const std::string& resource, const Change& change);
  void furnish(const std::string& ns);
  void empty_later(const std::string& ns);
  void empty(const std::string& ns);
  void finish_if_empty(const std::string& ns);
  bool is_ending(const std::string& ns) const;
  void create(const std::string& ns, const char* plural, json::object object);

  boost::asio::io_context& io_;
  Store& store_;
  const KindTable& kinds_;
  Registry& registry_;
  std::string ca_pem_;
};

}  // namespace weft::standalone
