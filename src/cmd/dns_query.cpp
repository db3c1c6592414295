#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <fstream>
#include <iterator>

#include "base/netns.h"
#include "cmd/declared.h"
#include "cmd/dns_commands.h"
#include "dns/config_file.h"
#include "dns/message_text.h"
#include "dns/pod_resolver.h"
#include "dns/responder.h"
#include "dns/source_option.h"
#include "kube/config.h"
#include "kube/pod.h"
#include "standalone/cluster_options.h"

namespace weft::cmd {
namespace {

constexpr int kPatienceMs = 5000;  // as long as the C library's resolver waits

struct Flags {
  std::string name, type = "A", from, cluster = "weft", kubeconfig, server, config, zone = "cluster.local",
                    format;
};

/// What the API has that bears on answers.
struct ClusterObjects {
  std::vector<kube::Service> services;
  std::vector<kube::EndpointSlice> slices;
  std::vector<kube::Namespace> namespaces;
  std::vector<kube::Node> nodes;
  std::optional<kube::Pod> pod;  ///< that asks
  /// What servers of a stock cluster are configured by, if it is there and may be read.
  std::optional<kube::ConfigMap> server_config;
};

constexpr const char* kServerConfigs[] = {"weft-dns", "coredns"};

asio::awaitable<Expected<ClusterObjects>> list_objects(kube::Client& client, const std::string& from) {
  ClusterObjects out;
  WEFT_CO_TRY(out.services, co_await list_all<kube::Service>(client));
  WEFT_CO_TRY(out.slices, co_await list_all<kube::EndpointSlice>(client));
  WEFT_CO_TRY(out.namespaces, co_await list_all<kube::Namespace>(client));
  WEFT_CO_TRY(out.nodes, co_await list_all<kube::Node>(client));
  for (const char* name : kServerConfigs) {
    auto value = co_await client.get(kube::resource_of<kube::ConfigMap>(), "kube-system", name);
    auto config = value ? kube::decode<kube::ConfigMap>(*value) : std::unexpected(value.error());
    if (config && !out.server_config) out.server_config = std::move(*config);
  }
  if (from.empty()) co_return out;
  WEFT_CO_TRY(auto pods, co_await list_all<kube::Pod>(client));
  const std::string key = from.contains('/') ? from : "default/" + from;
  for (auto& pod : pods) {
    if (pod.metadata.namespace_ + "/" + pod.metadata.name == key) out.pod = std::move(pod);
  }
  if (!out.pod) co_return fail(ErrorCode::not_found, "--from " + from + ": there is no Pod " + key);
  co_return out;
}

Expected<ClusterObjects> list_objects(const Flags& flags) {
  auto path = flags.kubeconfig;
  if (path.empty()) path = fmt::format("{}/{}/admin.kubeconfig", standalone::kRunRoot, flags.cluster);
  WEFT_TRY(auto config, kube::find_config(path));
  asio::io_context io(1);
  kube::Client client(io, std::move(config));
  Expected<ClusterObjects> out = fail(ErrorCode::internal, "not asked");
  asio::co_spawn(io, list_objects(client, flags.from),
                 [&](const std::exception_ptr& thrown, Expected<ClusterObjects> result) {
                   if (thrown) std::rethrow_exception(thrown);
                   out = std::move(result);
                   io.stop();
                 });
  io.run();
  return out;
}

/// Where the question is really asked, and from which network namespace ("": this one).
struct Server {
  dns::SocketAddress address;
  std::string netns;
};

Expected<Server> choose_server(const Flags& flags, const ClusterObjects& objects) {
  if (!flags.server.empty()) {
    auto address = dns::SocketAddress::parse(flags.server);
    if (!address)
      return fail(ErrorCode::invalid, "--server " + flags.server + ": expected ADDRESS or ADDRESS:PORT");
    return Server{*address, ""};
  }
  if (flags.kubeconfig.empty()) {  // weft up: the server of the pod's node, or of the first one
    for (const auto& node : objects.nodes) {
      const bool meant = !objects.pod || objects.pod->spec.nodeName == node.metadata.name;
      auto address = meant ? address_of(node) : std::nullopt;
      if (address) return Server{{*address}, netns_path("weft-" + flags.cluster + "-" + node.metadata.name)};
    }
    return fail(ErrorCode::not_found,
                "no node has an address: the server cannot be asked; name one with --server");
  }
  for (const auto& service : objects.services) {
    if (service.metadata.namespace_ != "kube-system" || service.metadata.name != "kube-dns") continue;
    if (auto address = IpAddr::parse(service.spec.clusterIP)) return Server{{*address}, ""};
  }
  return fail(ErrorCode::not_found, "there is no Service kube-system/kube-dns; name a server with --server");
}

bool wait_for(int fd, short events) {
  pollfd one{.fd = fd, .events = events, .revents = 0};
  return ::poll(&one, 1, kPatienceMs) == 1;
}

/// Over TCP: whole, however long.
Expected<std::vector<uint8_t>> ask(const Server& server, std::span<const uint8_t> query) {
  auto failed = [&](const char* what) {
    return fail(ErrorCode::unavailable,
                fmt::format("{}: {}: {}", server.address.str(), what, std::strerror(errno)));
  };
  WEFT_TRY(auto inside, InNetns::enter(server.netns));
  Fd fd(::socket(server.address.ip.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                 0));
  sockaddr_storage storage;
  const socklen_t size = server.address.to(storage);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&storage), size) != 0 && errno != EINPROGRESS)
    return failed("cannot connect");
  std::vector<uint8_t> out{static_cast<uint8_t>(query.size() >> 8), static_cast<uint8_t>(query.size())};
  out.insert(out.end(), query.begin(), query.end());
  errno = ETIMEDOUT;
  if (!wait_for(fd.get(), POLLOUT) ||
      ::send(fd.get(), out.data(), out.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(out.size()))
    return failed("does not take the question");
  std::vector<uint8_t> in;
  while (in.size() < 2 || in.size() < 2U + (static_cast<size_t>(in[0]) << 8 | in[1])) {
    std::array<uint8_t, 4096> buffer;
    errno = ETIMEDOUT;
    const ssize_t got = wait_for(fd.get(), POLLIN) ? ::recv(fd.get(), buffer.data(), buffer.size(), 0) : -1;
    if (got <= 0) return failed("does not answer");
    in.insert(in.end(), buffer.begin(), buffer.begin() + got);
  }
  in.erase(in.begin(), in.begin() + 2);
  return in;
}

/// One question of the walk: what it has to be answered by the objects, and what the server says.
struct Step {
  dns::WalkStep walk;
  std::vector<std::string> why;
  std::optional<dns::AnswerText> planned;  ///< nothing: an upstream knows
  std::optional<dns::AnswerText> told;     ///< nothing: the server did not answer
  std::string problem;                     ///< why it did not
  std::string source;                      ///< as the server says; "": it does not

  const dns::AnswerText* answer() const { return told ? &*told : planned ? &*planned : nullptr; }
  bool differs() const {
    return planned && told && (planned->rcode != told->rcode || planned->essence() != told->essence());
  }
  bool found() const {
    return answer() && answer()->rcode == dns::Rcode::noerror && !answer()->records.empty();
  }
  /// The resolver goes on to the next name only when this one does not exist or has no such record.
  bool goes_on() const {
    return answer() && !found() &&
           (answer()->rcode == dns::Rcode::noerror || answer()->rcode == dns::Rcode::nxdomain);
  }
};

/// What the server is configured to say: of the file that was named, else of the cluster's ConfigMap. The
/// servers of weft up have none.
Expected<dns::ConfigFile> config_of_server(const Flags& flags, const ClusterObjects& objects) {
  if (!flags.config.empty()) return dns::load_config(flags.config);
  if (flags.kubeconfig.empty() || !objects.server_config) return dns::ConfigFile{};
  const auto& map = *objects.server_config;
  // Files that it names are the server's: hosts files and resolv.conf are left out.
  const dns::FileAccess access{.read = [](const std::string&) -> Expected<std::string> { return ""; },
                               .match = [](const std::string&) { return std::vector<std::string>(); },
                               .variable = [](const std::string&) { return std::string(); }};
  for (const char* key : {"dns.yaml", "Corefile"}) {
    auto text = map.data.find(key);
    if (text == map.data.end()) continue;
    auto file = dns::read_config(text->second, key, access);
    if (file) return file;
    fmt::print(stderr, "weft dns query: ConfigMap kube-system/{} is left out: {}\n", map.metadata.name,
               file.error().message);
  }
  return dns::ConfigFile{};
}

/// The pod's own file in a cluster that weft up made, so with the node's search list; else what its spec
/// makes of it.
dns::PodResolver resolver_of(const Flags& flags, const kube::Pod& pod, const std::string& zone) {
  std::ifstream file(fmt::format("{}/{}/nodes/{}/pods/{}/etc/resolv.conf", standalone::kRunRoot,
                                 flags.cluster, pod.spec.nodeName, pod.metadata.uid));
  if (!flags.kubeconfig.empty() || !file) return dns::resolver_of(pod, zone);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  return dns::resolver_of(kube::parse_resolv_conf(text));
}

class Asker {
 public:
  static Expected<std::unique_ptr<Asker>> make(const Flags& flags, const ClusterObjects& objects) {
    WEFT_TRY(auto file, config_of_server(flags, objects));
    auto zone = file.zone ? file.zone : dns::Name::parse(flags.zone);
    if (!zone || zone->is_root())
      return fail(ErrorCode::invalid, "--zone " + flags.zone + ": no domain name");
    auto type = dns::parse_type(flags.type);
    if (!type)
      return fail(ErrorCode::invalid, flags.type + ": no record type; write one like A, AAAA, SRV or TYPE64");
    WEFT_TRY(auto server, choose_server(flags, objects));
    WEFT_TRY(auto overrides, dns::Overrides::compile(file.config));
    dns::ZoneOptions options{.zone = *zone};
    if (file.ttl) options.ttl = *file.ttl;
    if (file.pods == "insecure") options.pods = dns::PodRecords::insecure;
    std::unique_ptr<Asker> out(
        new Asker(std::move(options), std::move(file), std::move(overrides), server, *type));
    for (const auto& object : objects.services) out->zone_.apply(nullptr, &object);
    for (const auto& object : objects.slices) out->zone_.apply(nullptr, &object);
    for (const auto& object : objects.namespaces) out->zone_.apply(nullptr, &object);
    out->zone_.set_synced();
    return out;
  }

  Step ask(const dns::WalkStep& walk) {
    Step step{.walk = walk};
    dns::Query like;
    like.type = type_;
    like.recursion_desired = true;
    like.has_edns = true;
    std::array<uint8_t, dns::kMinUdpSize> query;
    size_t size = dns::write_query(query, 1, walk.name, like);
    dns::add_source_option(query, size, "");
    const auto question = std::span(query).first(size);
    std::vector<uint8_t> out(dns::kMaxMessage);
    dns::Answer answer;
    answer.explain = true;
    dns::Query parsed;
    auto response = dns::respond(zone_, *overrides_, question, dns::Transport::tcp, out, 0, parsed, answer);
    step.why = answer.why;
    if (response.outcome == dns::Outcome::reply)
      step.planned = dns::read_answer_text(std::span(out).first(response.size));
    if (response.outcome == dns::Outcome::forward)
      step.why.push_back(forwards(answer.kind == dns::Answer::Kind::chased ? answer.chase : walk.name));
    auto told = cmd::ask(server_, question);
    if (told) step.told = dns::read_answer_text(*told);
    if (told) step.source = dns::source_option_of(*told).value_or("");
    if (!told) step.problem = told.error().message;
    if (told && !step.told) step.problem = server_.address.str() + ": what it answers is not DNS";
    return step;
  }

  const Server& server() const { return server_; }
  std::string zone_text() const {
    auto text = zone_.options().zone.str();
    text.pop_back();
    return text;
  }

 private:
  Asker(dns::ZoneOptions options, dns::ConfigFile file, std::shared_ptr<const dns::Overrides> overrides,
        Server server, dns::Type type)
      : zone_(std::move(options)),
        file_(std::move(file)),
        overrides_(std::move(overrides)),
        server_(std::move(server)),
        type_(type) {}

  /// Whom the configuration says to ask for a name: the most specific domain's upstreams.
  std::string forwards(const dns::Name& name) const {
    const dns::Forward* best = nullptr;
    for (const auto& forward : file_.config.forwards) {
      const bool meant = dns::is_under(name, forward.domain) &&
                         std::ranges::none_of(forward.except, [&](const auto& not_meant) {
                           return dns::is_under(name, not_meant);
                         });
      if (meant && (!best || dns::labels_of(forward.domain) > dns::labels_of(best->domain))) best = &forward;
    }
    if (!best && file_.says_forwards) return name.str() + ": nobody is asked, it is refused";
    if (!best) return name.str() + ": for the upstreams of the server, or its cache";
    std::vector<std::string> upstreams;
    for (const auto& upstream : best->upstreams) upstreams.push_back(upstream.address.str());
    return fmt::format("{}: for the upstreams of {} ({}), or the cache", name.str(), best->domain.str(),
                       fmt::join(upstreams, ", "));
  }

  dns::Zone zone_;
  const dns::ConfigFile file_;
  std::shared_ptr<const dns::Overrides> overrides_;
  const Server server_;
  const dns::Type type_;
};

std::string outcome_of(const Step& step) {
  const auto* answer = step.answer();
  if (!answer) return "no answer";
  if (answer->rcode != dns::Rcode::noerror) return dns::rcode_name(answer->rcode);
  return answer->records.empty() ? "NODATA" : "NOERROR";
}

void print_text(const std::vector<Step>& steps, const Asker& asker, const std::string& type) {
  for (const auto& step : steps) {
    fmt::print("{} {}: {}{}\n", step.walk.name.str(), type, outcome_of(step),
               step.walk.search.empty() ? "" : "  (search " + step.walk.search + ")");
    for (const auto& record : step.answer() ? step.answer()->records : std::vector<std::string>{})
      fmt::print("  {}\n", record);
    for (const auto& why : step.why) fmt::print("    from {}\n", why);
    if (!step.source.empty()) fmt::print("    told by the server: {}\n", step.source);
    if (!step.problem.empty()) fmt::print("  ! {}\n", step.problem);
    if (!step.differs()) continue;
    fmt::print("  ! the objects say otherwise: {}\n", dns::rcode_name(step.planned->rcode));
    for (const auto& record : step.planned->records) fmt::print("      {}\n", record);
  }
  fmt::print("asked: {}\n", asker.server().address.str());
}

void print_json(const std::vector<Step>& steps, const Asker& asker, const std::string& type) {
  json::array out;
  auto list = [](const std::vector<std::string>& lines) { return json::array(lines.begin(), lines.end()); };
  for (const auto& step : steps) {
    json::object one{{"name", step.walk.name.str()},
                     {"search", step.walk.search},
                     {"outcome", outcome_of(step)},
                     {"answer", list(step.answer() ? step.answer()->records : std::vector<std::string>{})},
                     {"from", list(step.why)},
                     {"source", step.source},
                     {"differs", step.differs()}};
    if (!step.problem.empty()) one["problem"] = step.problem;
    out.push_back(std::move(one));
  }
  fmt::print("{}\n",
             json::serialize(json::object{
                 {"server", asker.server().address.str()}, {"type", type}, {"steps", std::move(out)}}));
}

Expected<int> run(const Flags& flags) {
  WEFT_TRY(auto objects, list_objects(flags));
  WEFT_TRY(auto asker, Asker::make(flags, objects));
  dns::PodResolver resolver;
  if (objects.pod) resolver = resolver_of(flags, *objects.pod, asker->zone_text());
  auto walk = dns::walk_of(flags.name, resolver);
  if (walk.empty()) return fail(ErrorCode::invalid, flags.name + ": no domain name");
  std::vector<Step> steps;
  for (const auto& one : walk) {
    steps.push_back(asker->ask(one));
    if (!steps.back().goes_on()) break;
  }
  if (flags.format == "json")
    print_json(steps, *asker, flags.type);
  else
    print_text(steps, *asker, flags.type);
  const Step& last = steps.back();
  if (!last.told || !(last.found() || last.goes_on())) return 3;
  return last.found() ? 0 : 1;
}

}  // namespace

void add_dns_query_command(CLI::App& dns, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = dns.add_subcommand("query",
                                         "What a name is answered with, and why: exit code 0 (there is an "
                                         "answer), 1 (NXDOMAIN or NODATA), 2 (could "
                                         "not be asked), 3 (not known: the server fails)");
  command->add_option("NAME", flags->name)->required();
  command->add_option("TYPE", flags->type)->capture_default_str();
  command->add_option("--from", flags->from,
                      "a pod, [NAMESPACE/]NAME: walk its search path, ask its node's server");
  command->add_option("--name", flags->cluster, "of the cluster that weft up made")->capture_default_str();
  command->add_option("--kubeconfig", flags->kubeconfig, "of another cluster; its Service kube-dns is asked");
  command->add_option("--server", flags->server, "the one to ask, ADDRESS or ADDRESS:PORT");
  command->add_option("--config", flags->config,
                      "the server's configuration: hosts, rewrites and upstreams are then told");
  command->add_option("--zone", flags->zone, "the cluster's domain")->capture_default_str();
  command
      ->add_option(
          "-o", flags->format,
          "json: {server, type, steps: [{name, search, outcome, answer, from, source, differs, problem}]}")
      ->check(CLI::IsMember({"json"}));
  command->callback([flags, &exit_code] {
    auto result = run(*flags);
    if (!result) fmt::print(stderr, "weft dns query: {}\n", result.error().message);
    exit_code = result.value_or(2);
  });
}

}  // namespace weft::cmd
