#include <fmt/format.h>

#include <algorithm>

#include "dns/corefile_plugins.h"
#include "dns/resolv_conf.h"

// The plugins that are about upstreams: forward and cache.
namespace weft::dns::corefile {
namespace {

constexpr std::string_view kUsage = "forward FROM TO..., TO being an address, tls://ADDRESS or a resolv.conf";
constexpr size_t kMaxInFlight = 1'000'000;

}  // namespace

void Mapping::upstream(const Word& word, Forward& forward) {
  if (auto upstream = parse_upstream(word.text)) {
    forward.upstreams.push_back(*upstream);
    return;
  }
  if (word.text.contains("://"))
    return error(
        word, fmt::format("{}: Weft asks over UDP, TCP and TLS; write ADDRESS or tls://ADDRESS", word.text));
  if (!word.text.contains('/') && IpAddr::parse(word.text.substr(0, word.text.rfind(':'))))
    return error(word, fmt::format("{}: nobody can be asked there", word.text));
  out_.files.push_back(word.text);
  auto text = access_.read(word.text);
  if (!text) return error(word, fmt::format("{}: neither an address nor a file that can be read", word.text));
  auto servers = parse_resolv_conf(*text);
  if (servers.empty()) warn(word, fmt::format("{} has no name servers", word.text));
  for (auto& from_file : forward_to(servers).upstreams) forward.upstreams.push_back(std::move(from_file));
}

void Mapping::forward(const Directive& line) {
  if (line.args.size() < 2) return error(line.name, fmt::format("expected: {}", kUsage));
  auto from = parse_domain(line.args[0].text);
  if (!from) return error(line.args[0], from.error().message);
  Forward forward;
  for (size_t i = 1; i < line.args.size(); ++i) upstream(line.args[i], forward);
  std::string tls_name, ca;
  for (const Directive& option : line.body) forward_option(option, forward, tls_name, ca);
  for (Upstream& upstream : forward.upstreams) {
    if (!upstream.tls()) continue;
    if (!tls_name.empty()) upstream.tls_server_name = tls_name;
    upstream.tls_ca_file = ca;
  }
  // A block's plugins see the names of its zones only.
  for (const Name& zone : zones_) {
    Forward one = forward;
    one.domain = is_under(*from, zone) ? *from : zone;
    if (!is_under(one.domain, *from)) {
      warn(line.name,
           fmt::format("forward {}: no name of the block of {} is below it", from->str(), zone.str()));
      continue;
    }
    auto& forwards = out_.config.forwards;
    if (std::ranges::find(forwards, one.domain, &Forward::domain) != forwards.end()) {
      error(line.name,
            fmt::format("{} has a forward already; write its upstreams into one", one.domain.str()));
      continue;
    }
    forwards.push_back(std::move(one));
  }
}

void Mapping::forward_option(const Directive& option, Forward& forward, std::string& tls_name,
                             std::string& ca) {
  constexpr auto kNothing =
      std::to_array<std::string_view>({"expire", "prefer_udp", "max_idle_conns", "max_connect_attempts",
                                       "failfast_all_unhealthy_upstreams", "force_dns_over_tcp", "max_age"});
  const std::string& name = option.name.text;
  const auto& args = option.args;
  if (name == "except") {
    for (const Word& word : args) {
      auto domain = parse_domain(word.text);
      if (!domain) error(word, domain.error().message);
      if (domain) forward.except.push_back(*domain);
    }
  } else if (name == "force_tcp") {
    forward.force_tcp = true;
  } else if (name == "max_fails") {
    if (arguments(option, 1, 1, "max_fails NUMBER")) number(args[0], forward.max_fails, INT32_MAX);
  } else if (name == "max_concurrent") {
    if (arguments(option, 1, 1, "max_concurrent NUMBER"))
      number(args[0], forward.max_in_flight, kMaxInFlight);
  } else if (name == "health_check") {
    if (!arguments(option, 1, 4, "health_check DURATION [no_rec] [domain NAME]") ||
        !duration(args[0], forward.health_check))
      return;
    if (forward.health_check.count() == 0)
      error(args[0], "a health check without time between; write one like 0.5s");
    if (args.size() > 1)
      warn(option.name, "health_check: Weft chooses itself what it asks to see whether an upstream is there");
  } else if (name == "policy") {
    if (!arguments(option, 1, 1, "policy random|round_robin|sequential")) return;
    if (args[0].text == "random")
      forward.policy = ForwardPolicy::random;
    else if (args[0].text == "round_robin")
      forward.policy = ForwardPolicy::round_robin;
    else if (args[0].text == "sequential")
      forward.policy = ForwardPolicy::sequential;
    else
      error(args[0], fmt::format("policy {}: expected random, round_robin or sequential", args[0].text));
  } else if (name == "tls_servername") {
    if (arguments(option, 1, 1, "tls_servername NAME")) tls_name = args[0].text;
  } else if (name == "tls") {
    if (args.size() > 1)
      return error(option.name, "tls: certificates of one's own are not supported; write: tls [CA FILE]");
    if (args.size() == 1) ca = args[0].text;
  } else if (std::ranges::find(kNothing, name) == kNothing.end()) {
    error(option.name, fmt::format("forward {}: Weft has no such option; take it out", name));
  }
}

void Mapping::cache(const Directive& line) {
  CacheOptions cache;
  auto args = line.args;
  const bool has_ttl = !args.empty() && !args[0].text.empty() &&
                       args[0].text.find_first_not_of("0123456789") == std::string::npos;
  if (has_ttl && seconds(args[0], cache.positive_max)) {
    cache.negative_max = cache.positive_max;
    cache.positive_min = std::min(cache.positive_min, cache.positive_max);
    cache.negative_min = std::min(cache.negative_min, cache.negative_max);
    args.erase(args.begin());
  }
  if (!args.empty()) warn(line.name, "cache: what all upstreams say is cached, whatever the zone");
  for (const Directive& option : line.body) cache_option(option, cache);
  block_cache_ = cache;
}

void Mapping::cache_caps(const Directive& option, size_t& entries, std::chrono::seconds& max,
                         std::chrono::seconds& min) {
  constexpr uint64_t kMaxEntries = 10'000'000;
  if (!arguments(option, 1, 3, option.name.text + " CAPACITY [TTL] [MINTTL]")) return;
  number(option.args[0], entries, kMaxEntries);
  if (option.args.size() > 1) seconds(option.args[1], max);
  if (option.args.size() > 2) seconds(option.args[2], min);
  min = std::min(min, max);
}

void Mapping::cache_option(const Directive& option, CacheOptions& cache) {
  const std::string& name = option.name.text;
  const auto& args = option.args;
  if (name == "success") {
    cache_caps(option, cache.positive, cache.positive_max, cache.positive_min);
  } else if (name == "denial") {
    cache_caps(option, cache.negative, cache.negative_max, cache.negative_min);
  } else if (name == "prefetch") {
    if (!arguments(option, 1, 3, "prefetch AMOUNT [DURATION] [PERCENTAGE%]")) return;
    number(args[0], cache.prefetch_hits, INT32_MAX);
    if (args.size() > 1) seconds(args[1], cache.prefetch_within);
    if (args.size() < 3) return;
    Word percent = args[2];
    if (percent.text.ends_with('%')) percent.text.pop_back();
    number(percent, cache.prefetch_percent, 100);
  } else if (name == "serve_stale") {
    cache.serve_stale = std::chrono::hours(1);
    if (!args.empty()) seconds(args[0], cache.serve_stale);
    if (args.size() > 1 && args[1].text == "immediate")
      warn(option.name,
           "serve_stale: an answer that has ended is given only while no upstream answers (verify)");
  } else if (name == "disable") {
    if (!arguments(option, 1, 100, "disable success|denial [ZONES...]")) return;
    if (args[0].text != "success" && args[0].text != "denial")
      return error(args[0], fmt::format("disable {}: expected success or denial", args[0].text));
    std::copy(args.begin() + 1, args.end(), std::back_inserter(uncached_zones_));
    if (args.size() == 1) (args[0].text == "success" ? cache.positive : cache.negative) = 0;
  } else if (name == "servfail" || name == "keepttl") {
    warn(option.name, fmt::format("cache {} is left out", name));
  } else {
    error(option.name, fmt::format("cache {}: Weft has no such option; take it out", name));
  }
}

}  // namespace weft::dns::corefile
