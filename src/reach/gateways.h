#pragma once

#include <string>
#include <vector>

#include "trace/walk.h"

namespace weft::reach {

/// A request or connection that a rule of a route or Ingress takes.
struct Entry {
  std::string name;  ///< "http://www.example/cart (Gateway shop/edge)"
  trace::Destination destination;
  trace::Request request;
};

/// One for each match of each rule that Gateways and Ingresses serve, each name once. Without those that ask
/// for regular expressions: what these would take cannot be said by an example.
std::vector<Entry> entries_of(const trace::World& world);

}  // namespace weft::reach
