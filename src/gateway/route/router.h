#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gateway/config/config.h"
#include "gateway/route/compiled_rule.h"
#include "gateway/route/host_table.h"
#include "gateway/route/path_index.h"

/// Which listener, rule and backend take a request or connection: config.h's values made ready for looking
/// up. Immutable, for any number of threads; what it returns lives as long as it does.
namespace weft::gateway {

struct CompiledHost {
  std::shared_ptr<const VirtualHost> host;
  std::vector<std::shared_ptr<const CompiledRule>> rules;
  PathIndex paths;
};

struct CompiledStream {
  explicit CompiledStream(std::shared_ptr<const StreamRoute> of)
      : route(std::move(of)), shares(route->backends) {}

  std::shared_ptr<const StreamRoute> route;
  Shares shares;  ///< over route->backends
};

/// How a decision came about: what was looked at, in order.
struct Explanation {
  struct Step {
    std::string hostname;        ///< of the VirtualHost
    const Rule* rule = nullptr;  ///< none: no path of the host is the request's
    const Match* match = nullptr;
    std::string why_not;  ///< empty: this is the one
  };
  std::vector<Step> steps;
};

class CompiledListener {
 public:
  const Listener& config() const { return *listener_; }

  /// The rule and match that take the request, or none (404). `arena` is the request's.
  Candidate find(const RequestHead& request, Arena& arena, Explanation* explanation = nullptr) const;

  /// The route for a TLS connection with this server name ("" if it has none), or for any connection of a TCP
  /// or UDP listener; nullptr: none.
  const CompiledStream* stream(std::string_view server_name) const;

 private:
  friend class RouteCompiler;
  std::shared_ptr<const Listener> listener_;
  HostTable<std::vector<std::shared_ptr<const CompiledHost>>> hosts_;
  HostTable<std::shared_ptr<const CompiledStream>> streams_;
};

class CompiledPort {
 public:
  const Port& config() const { return *port_; }
  /// The listener with the most specific hostname for `host` (without a port, see host_of), which is a server
  /// name or a request's; nullptr: none. A request over TLS whose listener is not the one of its connection
  /// belongs elsewhere and is answered with 421.
  const CompiledListener* listener(std::string_view host) const;
  /// What clients of a namespace get instead, or nullptr.
  const CompiledListener* consumer(const std::string& client_namespace) const;

 private:
  friend class RouteCompiler;
  std::shared_ptr<const Port> port_;
  std::vector<std::shared_ptr<const CompiledListener>> listeners_;
  HostTable<const CompiledListener*> by_hostname_;
  std::unordered_map<std::string, std::shared_ptr<const CompiledListener>> consumers_;
};

/// Makes them, and keeps what it made of each object for as long as it is in use: what a change did not touch
/// is not compiled again. Not for several threads.
class RouteCompiler {
 public:
  std::shared_ptr<const CompiledPort> compile(const std::shared_ptr<const Port>& port);

 private:
  /// By the address of the object, which the compiled one keeps alive.
  template <class From, class To>
  class Cache {
   public:
    template <class Make>
    std::shared_ptr<const To> get(const std::shared_ptr<const From>& from, Make make) {
      std::weak_ptr<const To>& known = known_[from.get()];
      if (auto compiled = known.lock()) return compiled;
      std::shared_ptr<const To> compiled = make(from);
      known = compiled;
      return compiled;
    }
    size_t size() const { return known_.size(); }
    void purge() {
      std::erase_if(known_, [](const auto& entry) { return entry.second.expired(); });
    }

   private:
    std::unordered_map<const From*, std::weak_ptr<const To>> known_;
  };

  std::shared_ptr<const CompiledListener> compile(const std::shared_ptr<const Listener>& listener);
  std::shared_ptr<const CompiledHost> compile(const std::shared_ptr<const VirtualHost>& host);
  void add_hosts(CompiledListener& to, const CompiledListener* before);
  void purge();

  RegexCache regexes_;
  Cache<Rule, CompiledRule> rules_;
  Cache<VirtualHost, CompiledHost> hosts_;
  Cache<StreamRoute, CompiledStream> streams_;
  Cache<Listener, CompiledListener> listeners_;
  Cache<Port, CompiledPort> ports_;
  /// As it was compiled last, by the listener's owner and name: the next one differs little.
  std::map<Why, std::weak_ptr<const CompiledListener>> latest_;
  size_t purge_at_ = 1024;
};

}  // namespace weft::gateway
