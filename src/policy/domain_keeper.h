#pragma once

#include <sys/types.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "policy/domain_file.h"
#include "policy/domain_server.h"
#include "policy/domain_table.h"
#include "policy/plan.h"

namespace weft::policy {

/// Where an agent and the DNS servers of its node meet, and where it keeps what they tell.
struct DomainOptions {
  std::string socket;  ///< empty: nobody tells; rules that go by names allow nothing then
  std::string file;
  uid_t user = 0;  ///< as whom DNS servers run
  /// Of DomainServer.
  std::function<bool(const domain_feed::Serving* server)> on_serving = [](auto) { return false; };
};

/// Tells the plan which addresses names have, from the answers of the node's DNS servers, for as long as
/// those count; and the servers which names policies ask for. An address that pods still talk with stays
/// until they do not: that an answer is too old is no reason to end a connection.
class DomainKeeper {
 public:
  struct Hooks {
    /// The plan has changed.
    std::function<void()> changed;
    /// Calls `then` when the kernel has all that the plan was told of: at once, or later.
    std::function<void(std::function<void()> then)> when_in_force;
    /// The addresses that pods of this node talk with.
    std::function<Expected<std::set<IpAddr>>()> in_use;
  };
  /// What an earlier agent knew, `plan` knows when it returns. All on one event loop.
  static Expected<std::unique_ptr<DomainKeeper>> start(boost::asio::io_context& io, DomainOptions options,
                                                       PolicyPlan& plan, Hooks hooks);

  /// To be called when all policies are known, and after each change of one.
  void names_changed();
  /// Addresses of names that are known.
  size_t size() const { return table_.size(); }
  /// That were not kept, as there were too many.
  uint64_t without_room() const { return without_room_; }

 private:
  DomainKeeper(boost::asio::io_context& io, PolicyPlan& plan, Hooks hooks);
  void take(const domain_feed::Answer& answer, std::function<void()> in_force);
  bool is_asked(const std::string& name) const;
  void write(std::span<const KnownDomain> changed);
  void wait();
  void expire();

  PolicyPlan& plan_;
  Hooks hooks_;
  DomainTable table_;
  std::optional<DomainFile> file_;
  std::unique_ptr<DomainServer> server_;
  boost::asio::steady_timer timer_;
  std::optional<DomainTable::Time> wakes_at_;
  bool begun_ = false;  ///< all policies and pods are known: nothing expires before
  uint64_t without_room_ = 0;
};

}  // namespace weft::policy
