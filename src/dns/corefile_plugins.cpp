#include "dns/corefile_plugins.h"

#include <fmt/format.h>

#include <algorithm>

namespace weft::dns::corefile {
namespace {

constexpr std::string_view kHealth = ":8080", kReady = ":8181", kPrometheus = "localhost:9153";

/// Plugins that answer, or let others answer otherwise: without them the server would say something else.
constexpr auto kChangeAnswers = std::to_array<std::string_view>(
    {"acl",  "any",      "auto",   "azure",        "clouddns", "dns64",    "dnssec",  "erratic",
     "etcd", "file",     "header", "k8s_external", "minimal",  "nomad",    "route53", "secondary",
     "sign", "template", "tsig",   "view",         "whoami",   "transfer", "chaos",   "geoip"});
/// Plugins without which all answers are the same.
constexpr auto kAside = std::to_array<std::string_view>(
    {"bufsize", "cancel", "debug", "dnstap", "local", "metadata", "multisocket", "nsid", "pprof", "root",
     "timeouts", "trace", "grpc_server", "https", "https3", "quic", "tls"});

bool is_reverse(const Name& zone) {
  return is_under(zone, *Name::parse("in-addr.arpa")) || is_under(zone, *Name::parse("ip6.arpa"));
}

}  // namespace

/// By name; what is not here is in one of the lists above, or not known.
const std::vector<Mapping::Plugin>& Mapping::plugins() {
  static const std::vector<Plugin> all{{"autopath", &Mapping::autopath},
                                       {"bind", &Mapping::bind},
                                       {"cache", &Mapping::cache},
                                       {"errors", &Mapping::nothing},
                                       {"forward", &Mapping::forward},
                                       {"health", &Mapping::health},
                                       {"hosts", &Mapping::hosts},
                                       {"kubernetes", &Mapping::kubernetes},
                                       {"loadbalance", &Mapping::loadbalance},
                                       {"log", &Mapping::log},
                                       {"loop", &Mapping::nothing},
                                       {"prometheus", &Mapping::prometheus},
                                       {"ready", &Mapping::ready},
                                       {"reload", &Mapping::nothing},
                                       {"rewrite", &Mapping::rewrite}};
  return all;
}

bool Mapping::seconds(const Word& word, std::chrono::seconds& out) {
  const bool bare = !word.text.empty() && word.text.find_first_not_of("0123456789") == std::string::npos;
  auto duration = parse_duration(bare ? word.text + "s" : word.text);
  if (!duration)
    error(word, fmt::format("\"{}\": expected seconds, or a duration like 30s or 1h", word.text));
  if (duration) out = std::chrono::duration_cast<std::chrono::seconds>(*duration);
  return duration.has_value();
}

bool Mapping::duration(const Word& word, std::chrono::milliseconds& out) {
  auto duration = parse_duration(word.text);
  if (!duration) error(word, fmt::format("\"{}\": expected a duration like 500ms or 5s", word.text));
  if (duration) out = *duration;
  return duration.has_value();
}

void Mapping::add(const ServerBlock& block) {
  zones_.clear();
  used_.clear();
  block_cache_.reset();
  keys(block);
  if (zones_.empty()) return;
  for (const Directive& line : block.directives) plugin(line);
  end_of_block(block);
}

/// "[dns://]zone[:port]"; false when it is for another protocol.
bool Mapping::split_key(const Word& key, std::string_view& zone, uint16_t& port) {
  zone = key.text;
  if (auto scheme = zone.find("://"); scheme != std::string_view::npos) {
    if (zone.substr(0, scheme) != "dns") {
      error(key, fmt::format("{}: Weft answers over UDP and TCP only; take this block out", key.text));
      return false;
    }
    zone.remove_prefix(scheme + 3);
  }
  port = 53;
  const auto colon = zone.rfind(':');
  // The colons of an IPv6 prefix come before its slash.
  if (colon == std::string_view::npos || zone.substr(colon).contains('/')) return true;
  const Word digits{std::string(zone.substr(colon + 1)), key.file, key.line, false};
  zone = zone.substr(0, colon);
  if (zone.empty()) zone = ".";
  return number(digits, port, 65535);
}

void Mapping::keys(const ServerBlock& block) {
  for (const Word& key : block.keys) {
    std::string_view text;
    uint16_t port = 0;
    if (!split_key(key, text, port)) continue;
    auto zone = parse_domain(text);
    if (!zone) {
      error(key, zone.error().message);
      continue;
    }
    if (port_ && *port_ != port)
      error(key, fmt::format("port {} here and {} above: a server has one; let all blocks have the same",
                             port, *port_));
    port_ = port;
    if (!all_zones_.insert(zone->str()).second)
      error(key, fmt::format("{} has a block already; write both into one", zone->str()));
    zones_.push_back(*zone);
  }
}

void Mapping::plugin(const Directive& line) {
  const std::string& name = line.name.text;
  used_.insert(name);
  auto known = std::ranges::find(plugins(), name, &Plugin::name);
  if (known != plugins().end()) return (this->*known->handler)(line);
  if (std::ranges::find(kAside, name) != kAside.end())
    return warn(line.name, fmt::format("plugin {} is left out: answers are the same without it", name));
  const bool changes = std::ranges::find(kChangeAnswers, name) != kChangeAnswers.end();
  error(
      line.name,
      changes
          ? fmt::format("plugin {}: Weft has none, and answers would be others without it; take it out", name)
          : fmt::format("plugin {} is not known; is it spelled right? If not needed, take it out", name));
}

void Mapping::kubernetes(const Directive& line) {
  std::vector<Name> zones;
  for (const Word& word : line.args) {
    auto zone = parse_domain(word.text);
    if (!zone) error(word, zone.error().message);
    if (zone) zones.push_back(*zone);
  }
  if (line.args.empty()) zones = zones_;
  std::erase_if(zones, is_reverse);
  if (zones.size() != 1 || zones[0].is_root())
    return error(line.name, "expected: kubernetes ZONE [REVERSE ZONES...], with one zone like cluster.local");
  if (out_.zone && *out_.zone != zones[0])
    return error(line.name, fmt::format("zone {} here and {} above: a server has one; take one out",
                                        zones[0].str(), out_.zone->str()));
  out_.zone = zones[0];
  for (const Directive& option : line.body) kubernetes_option(option);
}

void Mapping::kubernetes_option(const Directive& option) {
  constexpr uint64_t kMaxTtl = 3600;
  constexpr auto kConnection =
      std::to_array<std::string_view>({"endpoint", "tls", "kubeconfig", "apiserver_qps", "apiserver_burst",
                                       "apiserver_max_inflight", "startup_timeout"});
  const std::string& name = option.name.text;
  if (name == "ttl") {
    uint32_t ttl = 0;
    if (arguments(option, 1, 1, "ttl SECONDS") && number(option.args[0], ttl, kMaxTtl)) out_.ttl = ttl;
  } else if (name == "pods") {
    if (!arguments(option, 1, 1, "pods disabled|insecure|verified")) return;
    out_.pods = option.args[0].text;
    if (out_.pods != "disabled" && out_.pods != "insecure" && out_.pods != "verified")
      error(option.name, fmt::format("pods {}: expected disabled, insecure or verified", out_.pods));
  } else if (name == "fallthrough") {
    for (const Word& word : option.args) {
      auto zone = parse_domain(word.text);
      if (!zone) error(word, zone.error().message);
    }
    const bool reverse_only = std::ranges::all_of(option.args, [](const Word& word) {
      auto zone = parse_domain(word.text);
      return !zone || is_reverse(*zone);
    });
    if (option.args.empty() || !reverse_only)
      warn(option.name,
           "fallthrough: only reverse names go on; a name of the zone that does not exist is NXDOMAIN");
  } else if (std::ranges::find(kConnection, name) != kConnection.end()) {
    warn(option.name,
         fmt::format("{} is left out: weft dns takes --kubeconfig, or the pod's service account", name));
  } else {
    error(option.name,
          fmt::format(
              "kubernetes {}: Weft has no such option, and answers would be others without it; take it out",
              name));
  }
}

void Mapping::log(const Directive& line) {
  out_.config.log_queries = true;
  if (!line.args.empty() || !line.body.empty())
    warn(line.name, "log: its format and its classes are left out; every question is a line");
}

void Mapping::page(const Directive& line, std::string_view fallback, std::optional<http::Address>& out) {
  if (!arguments(line, 0, 1, line.name.text + " [ADDRESS:PORT]")) return;
  std::string text(line.args.empty() ? fallback : line.args[0].text);
  if (text.starts_with("localhost:")) text.replace(0, 9, "127.0.0.1");
  if (text.starts_with(':')) text.insert(0, "[::]");
  auto address = http::Address::parse(text);
  if (!address)
    return error(line.name, fmt::format("{} {}: expected ADDRESS:PORT or :PORT", line.name.text, text));
  out = address;
}

void Mapping::health(const Directive& line) {
  page(line, kHealth, out_.health);
  for (const Directive& option : line.body) {
    std::chrono::milliseconds time{};
    if (option.name.text != "lameduck") {
      error(option.name, fmt::format("health {}: expected lameduck DURATION", option.name.text));
    } else if (arguments(option, 1, 1, "lameduck DURATION") && duration(option.args[0], time)) {
      out_.lame_duck = time;
    }
  }
}

void Mapping::ready(const Directive& line) { page(line, kReady, out_.ready); }
void Mapping::prometheus(const Directive& line) { page(line, kPrometheus, out_.metrics); }

void Mapping::bind(const Directive& line) {
  for (const Word& word : line.args) {
    auto address = IpAddr::parse(word.text);
    if (!address) {
      error(word, fmt::format("bind {}: expected an address; links' names are not supported", word.text));
    } else if (std::ranges::find(bound_, *address) == bound_.end()) {
      bound_.push_back(*address);
    }
  }
  for (const Directive& option : line.body)
    error(option.name,
          fmt::format("bind {}: not supported; write the addresses themselves", option.name.text));
}

void Mapping::loadbalance(const Directive& line) {
  if (!line.args.empty() && line.args[0].text != "round_robin")
    error(line.name,
          fmt::format("loadbalance {}: Weft has round_robin only; take it out", line.args[0].text));
}

void Mapping::autopath(const Directive&) { out_.config.search_path = true; }

void Mapping::end_of_block(const ServerBlock& block) {
  const Word& key = block.keys[0];
  const bool root = std::ranges::any_of(zones_, &Name::is_root);
  if (!used_.contains("forward") && !used_.contains("kubernetes") && !used_.contains("hosts") && !root)
    warn(key, fmt::format("nothing in the block of {} answers: its names go where those of the zone above go",
                          key.text));
  if (!used_.contains("forward")) return;
  if (!block_cache_) {
    if (!uncached_) uncached_ = key;
    return;
  }
  if (cache_ && *cache_ != *block_cache_ && !differently_cached_) differently_cached_ = key;
  if (!cache_ || (root && !root_cache_)) cache_ = block_cache_;
  root_cache_ |= root;
}

void Mapping::finish() {
  if (!out_.zone) problems_.warn(file_, 0, "no block has the plugin kubernetes: the zone is --zone's");
  out_.says_forwards = true;
  out_.config.cache = cache_.value_or(CacheOptions{.enabled = false});
  if (differently_cached_)
    warn(*differently_cached_,
         fmt::format("there is one cache for all blocks; that of {} is not used", differently_cached_->text));
  if (cache_ && uncached_)
    warn(*uncached_,
         fmt::format("there is one cache for all blocks: what {} is told by upstreams is cached too",
                     uncached_->text));
  for (const Word& word : uncached_zones_) {
    auto zone = parse_domain(word.text);
    if (!zone || !out_.zone || !is_under(*zone, *out_.zone))
      warn(word,
           fmt::format("cache disable {}: only the cluster's names are never cached; these are", word.text));
  }
  const uint16_t port = port_.value_or(53);
  for (const IpAddr& address : bound_) out_.listen.push_back({address, port});
  if (bound_.empty() && port != 53) out_.listen = {{IpAddr(), port}, {*IpAddr::parse("::"), port}};
}

}  // namespace weft::dns::corefile

namespace weft::dns {

Expected<ConfigFile> read_corefile(std::string_view text, const std::string& file, const FileAccess& access) {
  ConfigFile out;
  ConfigProblems problems;
  auto blocks = corefile::parse(text, file, access, problems, out.files);
  if (blocks.empty() && !problems.any())
    problems.error(file, 0, "no server block; write one like: . { forward . /etc/resolv.conf }");
  corefile::Mapping mapping(file, access, problems, out);
  for (const auto& block : blocks) mapping.add(block);
  mapping.finish();
  if (problems.any()) return std::unexpected(problems.as_error());
  out.warnings = problems.take_warnings();
  return out;
}

}  // namespace weft::dns
