#pragma once

#include <boost/asio/io_context.hpp>

#include "standalone/apiserver/registry.h"

namespace weft::standalone {

/// Serves what CustomResourceDefinitions define from the moment they are stored, tells so in their status,
/// and removes the objects of one before it goes. One for a kind that is built in takes its place if the kind
/// yields (Gateway API), with the objects that are there. Otherwise it is accepted and changes nothing: the
/// kind stays as it is, and so do its objects when the definition goes.
class CrdLifecycle {
 public:
  CrdLifecycle(boost::asio::io_context& io, Store& store, KindTable& kinds, Registry& registry);
  /// Serves what the store has, at start.
  void restore();

 private:
  void on_change(const Change& change);
  void serve(const json::value& crd);
  void establish(const std::string& name);
  void end(const std::string& name);
  /// Who else has one of its names; "" when nobody.
  std::string conflict_of(const json::value& crd) const;
  Write write_for(const std::string& name, const char* subresource) const;

  boost::asio::io_context& io_;
  Store& store_;
  KindTable& kinds_;
  Registry& registry_;
};

}  // namespace weft::standalone
