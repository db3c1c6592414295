#include <algorithm>

#include "dns/config_file.h"
#include "dns/resolv_conf.h"
#include "dns/rewrite.h"
#include "dns/yaml_object.h"

// Weft's own configuration file: docs/dns.md has its keys.
namespace weft::dns {
namespace {

constexpr std::string_view kApiVersion = "weft.dev/v1", kKind = "DNSConfiguration";
constexpr uint32_t kMaxTtl = 3600;  // seconds; the DNS specification for Kubernetes names no more

class Reader {
 public:
  Reader(const FileAccess& access, ConfigFile& out) : access_(access), out_(out) {}

  void file(YamlObject& root) {
    kind(root);
    zone(root);
    server(root);
    if (root.has("forwards")) {
      out_.says_forwards = true;
      root.objects("forwards", [this](YamlObject& o) { forward(o); });
    }
    root.object("cache", [this](YamlObject& o) { cache(o); });
    root.object("hosts", [this](YamlObject& o) { hosts(o); });
    root.objects("rewrites", [this](YamlObject& o) { rewrite(o); });
    root.object("rebind", [this](YamlObject& o) {
      o.read("refused", out_.config.rebind_refused);
      o.read("allowed", out_.config.rebind_allowed);
    });
    root.read("searchPath", out_.config.search_path);
    if (uint32_t rate = 0; root.read("clientRate", rate)) out_.config.client_rate = rate;
    root.read("logQueries", out_.config.log_queries);
  }

 private:
  static void kind(YamlObject& root) {
    std::string text;
    if (root.read("apiVersion", text) && text != kApiVersion)
      root.error("apiVersion", fmt::format("\"{}\" is not known; write {}", text, kApiVersion));
    if (root.read("kind", text) && text != kKind)
      root.error("kind", fmt::format("\"{}\" is no configuration of a DNS server; write {}", text, kKind));
  }

  void zone(YamlObject& root) {
    Name zone;
    if (root.read("zone", zone)) {
      if (zone.is_root()) root.error("zone", "the root is no cluster's domain; write one like cluster.local");
      out_.zone = zone;
    }
    std::chrono::seconds ttl{};
    if (root.read("ttl", ttl)) {
      if (ttl.count() > kMaxTtl) root.error("ttl", "more than an hour; write 0s to 1h");
      out_.ttl = static_cast<uint32_t>(ttl.count());
    }
    root.read("pods", out_.pods,
              {{"Disabled", std::string("disabled")}, {"Insecure", "insecure"}, {"Verified", "verified"}});
  }

  void server(YamlObject& root) {
    root.texts("listen", [&](const std::string& text, const std::string& path) {
      auto address = SocketAddress::parse(text);
      if (!address)
        return root.error_at(path,
                             fmt::format("\"{}\": expected ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT", text));
      out_.listen.push_back(*address);
    });
    page(root, "healthAddress", out_.health);
    page(root, "readyAddress", out_.ready);
    page(root, "metricsAddress", out_.metrics);
    std::chrono::milliseconds lame_duck{};
    if (root.read("lameDuck", lame_duck)) out_.lame_duck = lame_duck;
  }

  static void page(YamlObject& root, const char* key, std::optional<http::Address>& out) {
    std::string text;
    if (!root.read(key, text)) return;
    out = http::Address::parse(text);
    if (!out) root.error(key, fmt::format("\"{}\": expected ADDRESS:PORT or [ADDRESS]:PORT", text));
  }

  void forward(YamlObject& o) {
    Forward forward;
    if (!o.read("domain", forward.domain)) o.error("domain", "is missing; \".\" is all names");
    o.read("except", forward.except);
    upstreams(o, forward);
    o.read("policy", forward.policy,
           {{"Random", ForwardPolicy::random},
            {"RoundRobin", ForwardPolicy::round_robin},
            {"Sequential", ForwardPolicy::sequential}});
    o.read("forceTCP", forward.force_tcp);
    if (o.read("timeout", forward.timeout) && forward.timeout.count() == 0)
      o.error("timeout", "nobody answers in no time; write one like 2s");
    if (o.read("healthCheck", forward.health_check) && forward.health_check.count() == 0)
      o.error("healthCheck", "has to be longer than 0s; maxFails: 0 turns health checks off");
    o.read("maxFails", forward.max_fails);
    o.read("maxInFlight", forward.max_in_flight);
    if (std::ranges::find(out_.config.forwards, forward.domain, &Forward::domain) !=
        out_.config.forwards.end())
      o.error("domain",
              fmt::format("{} has a forward already; write its upstreams into one", forward.domain.str()));
    out_.config.forwards.push_back(std::move(forward));
  }

  void upstreams(YamlObject& o, Forward& forward) {
    auto add = [&](const std::string& text, const std::string& path) {
      auto upstream = parse_upstream(text);
      if (!upstream)
        o.error_at(path,
                   fmt::format("\"{}\": no upstream; write ADDRESS, ADDRESS:PORT or tls://ADDRESS", text));
      else
        forward.upstreams.push_back(*upstream);
      return upstream.has_value();
    };
    o.texts_or_objects("upstreams", add, [&](YamlObject& u) {
      std::string text;
      if (!u.read("address", text)) return u.error("address", "is missing");
      std::string name, ca;
      const bool has_name = u.read("tlsServerName", name), has_ca = u.read("tlsCAFile", ca);
      const bool tls = has_name || has_ca || text.starts_with("tls://");
      if (!text.starts_with("tls://") && tls) text = "tls://" + text;
      auto upstream = parse_upstream(text);
      if (!upstream)
        return u.error("address", fmt::format("\"{}\": no upstream; write ADDRESS or ADDRESS:PORT", text));
      if (!name.empty()) upstream->tls_server_name = name;
      upstream->tls_ca_file = ca;
      forward.upstreams.push_back(*upstream);
    });
    std::string path;
    if (!o.read("resolvConf", path)) return;
    out_.files.push_back(path);
    auto text = access_.read(path);
    if (!text) return o.error("resolvConf", text.error().message);
    for (const auto& server : parse_resolv_conf(*text))
      forward.upstreams.push_back(forward_to({server}).upstreams[0]);
  }

  void cache(YamlObject& o) {
    auto& cache = out_.config.cache;
    o.read("enabled", cache.enabled);
    o.read("positiveEntries", cache.positive);
    o.read("negativeEntries", cache.negative);
    o.object("positiveTTL", [&](YamlObject& t) { range(t, cache.positive_min, cache.positive_max); });
    o.object("negativeTTL", [&](YamlObject& t) { range(t, cache.negative_min, cache.negative_max); });
    o.object("prefetch", [&](YamlObject& p) {
      p.read("hits", cache.prefetch_hits);
      p.read("within", cache.prefetch_within);
      p.read("percent", cache.prefetch_percent, 100);
    });
    o.read("serveStale", cache.serve_stale);
  }

  static void range(YamlObject& o, std::chrono::seconds& min, std::chrono::seconds& max) {
    o.read("min", min);
    o.read("max", max);
    if (min > max) o.error("min", "is longer than max");
  }

  void hosts(YamlObject& o) {
    auto& hosts = out_.config.hosts;
    o.objects("entries", [&](YamlObject& e) {
      std::string text;
      HostsEntry entry;
      if (!e.read("ip", text)) return e.error("ip", "is missing");
      auto address = IpAddr::parse(text);
      if (!address) return e.error("ip", fmt::format("\"{}\": no address", text));
      entry.address = *address;
      if (!e.read("hostnames", entry.names)) return e.error("hostnames", "has to name at least one");
      hosts.entries.push_back(std::move(entry));
    });
    o.texts("files", [&](const std::string& path, const std::string& where) {
      out_.files.push_back(path);
      auto text = access_.read(path);
      if (!text) return o.error_at(where, text.error().message);
      std::ranges::move(parse_hosts(*text), std::back_inserter(hosts.entries));
    });
    std::chrono::seconds ttl{};
    if (o.read("ttl", ttl)) hosts.ttl = static_cast<uint32_t>(ttl.count());
    o.read("reverse", hosts.reverse);
    o.read("fallthrough", hosts.fall_through);
    o.read("zones", hosts.zones);
  }

  void rewrite(YamlObject& o) {
    using Match = Rewrite::Match;
    Rewrite rule;
    o.read("match", rule.match,
           {{"Exact", Match::exact},
            {"Prefix", Match::prefix},
            {"Suffix", Match::suffix},
            {"Substring", Match::substring},
            {"RegularExpression", Match::regex}});
    if (!o.read("from", rule.from)) return o.error("from", "is missing");
    if (!o.read("to", rule.to)) return o.error("to", "is missing");
    o.read("within", rule.within);
    o.read("stop", rule.stop);
    o.read("answerAuto", rule.answer_auto);
    if (auto compiled = Rewriter::compile({rule}); !compiled)
      return o.error("from", compiled.error().message);
    out_.config.rewrites.push_back(std::move(rule));
  }

  const FileAccess& access_;
  ConfigFile& out_;
};

}  // namespace

Expected<ConfigFile> read_yaml_config(std::string_view text, const std::string& file,
                                      const FileAccess& access) {
  WEFT_TRY(auto documents, kube::parse_yaml(text, file));
  ConfigFile out;
  if (documents.empty()) return out;
  ConfigProblems problems;
  if (documents.size() > 1)
    problems.error(file, documents[1].line, "a second document; one file is one configuration");
  {
    YamlObject root(documents[0], problems, documents[0].value, "");
    Reader(access, out).file(root);
  }
  if (problems.any()) return std::unexpected(problems.as_error());
  out.warnings = problems.take_warnings();
  return out;
}

}  // namespace weft::dns
