#pragma once

#include <memory>

#include "dns/hosts.h"
#include "dns/plan.h"
#include "dns/rewrite.h"

namespace weft::dns {

/// What a configuration says of names before zone and upstreams are asked: rewrites, then hosts entries.
/// Compiled once; pure; many threads may use one.
class Overrides {
 public:
  static Expected<std::shared_ptr<const Overrides>> compile(const Config& config);

  /// Answers a question as `zone.resolve` does, with what is in front of it. `answer.rewritten` is set when
  /// it was answered as another one; one that has to go to an upstream is then `chased` with the other name,
  /// without CNAMEs before.
  void resolve(const Zone& zone, const Name& name, Type type, Answer& answer) const;

 private:
  Overrides(Rewriter rewriter, HostsTable hosts) : rewriter_(std::move(rewriter)), hosts_(std::move(hosts)) {}

  Rewriter rewriter_;
  HostsTable hosts_;
};

}  // namespace weft::dns
