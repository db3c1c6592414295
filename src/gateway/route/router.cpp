#include "gateway/route/router.h"

#include <algorithm>

namespace weft::gateway {
namespace {

/// Of a wildcard that stands for one label: whether it does for this host, which it is known to take.
bool right_labels(const VirtualHost& host, std::string_view name) {
  if (!host.one_label || !host.hostname.starts_with("*.")) return true;
  return !name.substr(0, name.size() - host.hostname.size() + 1).contains('.');
}

using Hosts = std::vector<std::shared_ptr<const VirtualHost>>;

std::string_view name_of(const std::shared_ptr<const VirtualHost>& host) { return host->hostname; }

/// The names of hosts that only one of them has. Both are sorted by name.
std::vector<std::string_view> changed_names(const Hosts& before, const Hosts& now) {
  std::vector<std::string_view> out;
  auto a = before.begin(), b = now.begin();
  while (a != before.end() || b != now.end()) {
    if (a != before.end() && b != now.end() && *a == *b) {
      ++a, ++b;
      continue;
    }
    auto order = a == before.end() ? 1 : b == now.end() ? -1 : name_of(*a).compare(name_of(*b));
    out.push_back(order <= 0 ? name_of(*a) : name_of(*b));
    if (order <= 0) ++a;
    if (order >= 0) ++b;
  }
  return out;
}

}  // namespace

Candidate CompiledListener::find(const RequestHead& request, Arena& arena, Explanation* explanation) const {
  std::string_view name = host_of(request.authority);
  Candidate found;
  auto take = [&](const CompiledHost& host) {
    auto accept = [&](const Candidate& candidate) {
      if (!explanation) return candidate.path_alone || candidate.match->takes(request, arena);
      auto& step = explanation->steps.emplace_back(host.host->hostname, candidate.rule->rule.get(),
                                                   candidate.match->match);
      return candidate.match->takes(request, arena, &step.why_not);
    };
    size_t steps = explanation ? explanation->steps.size() : 0;
    found = host.paths.find(request.path, accept);
    if (explanation && explanation->steps.size() == steps)
      explanation->steps.push_back(
          {host.host->hostname, nullptr, nullptr, "no rule has a path that takes it"});
    return found.rule != nullptr;
  };
  hosts_.find(name, [&](const auto& hosts) {
    return std::ranges::any_of(
        hosts, [&](const auto& host) { return right_labels(*host->host, name) && take(*host); });
  });
  return found;
}

const CompiledStream* CompiledListener::stream(std::string_view server_name) const {
  const auto* found = streams_.find(server_name);
  return found ? found->get() : nullptr;
}

const CompiledListener* CompiledPort::listener(std::string_view host) const {
  const auto* found = by_hostname_.find(host);
  return found ? *found : nullptr;
}

const CompiledListener* CompiledPort::consumer(const std::string& client_namespace) const {
  auto at = consumers_.find(client_namespace);
  return at == consumers_.end() ? nullptr : at->second.get();
}

std::shared_ptr<const CompiledHost> RouteCompiler::compile(const std::shared_ptr<const VirtualHost>& host) {
  return hosts_.get(host, [this](const std::shared_ptr<const VirtualHost>& from) {
    auto compiled = std::make_shared<CompiledHost>();
    compiled->host = from;
    for (const auto& rule : from->rules) {
      compiled->rules.push_back(rules_.get(
          rule, [this](const auto& of) { return std::make_shared<const CompiledRule>(of, regexes_); }));
      compiled->paths.add(*compiled->rules.back());
    }
    compiled->paths.finish();
    return compiled;
  });
}

std::shared_ptr<const CompiledListener> RouteCompiler::compile(
    const std::shared_ptr<const Listener>& listener) {
  return listeners_.get(listener, [this](const std::shared_ptr<const Listener>& from) {
    auto compiled = std::make_shared<CompiledListener>();
    compiled->listener_ = from;
    auto& latest = latest_[from->why];
    add_hosts(*compiled, latest.lock().get());
    latest = compiled;
    for (const auto& route : from->streams) {
      auto stream =
          streams_.get(route, [](const auto& of) { return std::make_shared<const CompiledStream>(of); });
      // Older routes stand before younger ones, which get what is left.
      auto put = [&](std::string_view hostname) {
        auto& place = compiled->streams_[hostname];
        if (!place) place = stream;
      };
      if (route->hostnames.empty()) put("");
      for (const std::string& hostname : route->hostnames) put(hostname);
    }
    return compiled;
  });
}

/// The work is that of the names that differ.
void RouteCompiler::add_hosts(CompiledListener& to, const CompiledListener* before) {
  const auto& hosts = to.listener_->hosts;
  if (!before || !before->hosts_.suits(hosts.size())) {
    to.hosts_ = HostTable<std::vector<std::shared_ptr<const CompiledHost>>>(hosts.size());
    for (const auto& host : hosts) to.hosts_[host->hostname].push_back(compile(host));
    return;
  }
  to.hosts_ = before->hosts_;
  for (auto name : changed_names(before->listener_->hosts, hosts)) {
    auto of_name = std::ranges::equal_range(hosts, name, {}, name_of);
    if (of_name.empty()) {
      to.hosts_.erase(name);
      continue;
    }
    auto& list = to.hosts_[name];
    list.clear();
    for (const auto& host : of_name) list.push_back(compile(host));
  }
}

std::shared_ptr<const CompiledPort> RouteCompiler::compile(const std::shared_ptr<const Port>& port) {
  auto compiled = ports_.get(port, [this](const std::shared_ptr<const Port>& from) {
    auto made = std::make_shared<CompiledPort>();
    made->port_ = from;
    for (const auto& listener : from->listeners) {
      made->listeners_.push_back(compile(listener));
      const CompiledListener*& place = made->by_hostname_[listener->hostname];
      if (!place) place = made->listeners_.back().get();
    }
    for (const auto& [name, listener] : from->consumers) made->consumers_[name] = compile(listener);
    return made;
  });
  purge();
  return compiled;
}

/// Forgets what is no longer in use, now and then, so that the cost belongs to the changes that caused it.
void RouteCompiler::purge() {
  auto size = [this] {
    return rules_.size() + hosts_.size() + streams_.size() + listeners_.size() + ports_.size();
  };
  if (size() < purge_at_) return;
  rules_.purge();
  hosts_.purge();
  streams_.purge();
  listeners_.purge();
  ports_.purge();
  std::erase_if(latest_, [](const auto& entry) { return entry.second.expired(); });
  regexes_.purge();
  purge_at_ = std::max<size_t>(1024, 2 * size());
}

}  // namespace weft::gateway
