#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <filesystem>

#include "base/log.h"
#include "cmd/bring_objects.h"
#include "cmd/commands.h"
#include "cmd/progress.h"
#include "kube/yaml.h"
#include "standalone/apiserver/priority.h"
#include "standalone/cluster.h"

namespace weft::cmd {
namespace {

struct Flags {
  standalone::ClusterOptions cluster;
  std::string manifests;
  std::vector<std::string> images;
  std::string overlay;
  bool detach = false;
  bool json = false;
};

Expected<void> read_images(Flags& flags) {
  for (const auto& text : flags.images) {
    auto equals = text.find('=');
    auto program = equals == std::string::npos ? std::string() : text.substr(equals + 1);
    if (equals == 0 || program.empty())
      return fail(ErrorCode::invalid, fmt::format("--image {}: expected NAME=PATH", text));
    if (::access(program.c_str(), X_OK) != 0)
      return fail_errno(fmt::format("--image {}: {}", text, program), errno);
    flags.cluster.images[text.substr(0, equals)] = std::filesystem::absolute(program);
  }
  return {};
}

asio::awaitable<Expected<void>> come_up(standalone::Cluster& cluster,
                                        std::vector<kube::YamlDocument> manifests, ProgressReport& report) {
  WEFT_CO_CHECK(co_await bring_objects(cluster, manifests, report));
  report.done(cluster.layout().kubeconfig("admin"));
  co_return Expected<void>{};
}

/// Brings the cluster up and serves until a signal.
Expected<void> serve(const Flags& flags, std::vector<kube::YamlDocument> manifests, ProgressReport& report) {
  asio::io_context io(1);
  asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&io](auto, int) { io.stop(); });
  WEFT_TRY(auto cluster, standalone::Cluster::start(io, flags.cluster,
                                                    [&](const std::string& step) { report.step(step); }));
  Expected<void> result;
  asio::co_spawn(io, come_up(*cluster, std::move(manifests), report),
                 [&](const std::exception_ptr& thrown, Expected<void> came_up) {
                   if (thrown) std::rethrow_exception(thrown);
                   if (came_up) return;
                   result = came_up;
                   io.stop();
                 });
  io.run();
  return result;
}

/// The child of --detach: a session of its own, its messages in the cluster's folder.
void become_daemon(const std::string& name) {
  ::setsid();
  standalone::session_goes_before_pods();
  auto folder = fmt::format("{}/{}/logs", standalone::kRunRoot, name);
  std::error_code ignored;
  std::filesystem::create_directories(folder, ignored);
  ::chmod(fmt::format("{}/{}", standalone::kRunRoot, name).c_str(), 0711);
  int log = ::open((folder + "/up.log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  ::dup2(null, 0);
  ::dup2(log >= 0 ? log : null, 1);
  ::dup2(log >= 0 ? log : null, 2);
  if (::chdir("/") != 0) ::_exit(2);
}

/// Copies what the child reports; a NUL means that it is up.
int follow_child(int from) {
  bool up = false;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::read(from, buffer, sizeof buffer)) > 0;) {
    for (ssize_t i = 0; i < got; ++i) {
      if (buffer[i] == '\0') {
        up = true;
      } else {
        std::fputc(buffer[i], stdout);
      }
    }
    std::fflush(stdout);
  }
  return up ? 0 : 2;
}

int run(Flags& flags) {
  flags.cluster.vxlan = flags.overlay == "vxlan";
  std::vector<kube::YamlDocument> manifests;
  auto ready = read_images(flags);
  if (ready && !flags.manifests.empty()) {
    auto loaded = kube::load_manifests(flags.manifests);
    ready = loaded ? Expected<void>() : std::unexpected(loaded.error());
    if (loaded) manifests = std::move(*loaded);
  }
  if (ready) ready = standalone::check_cluster_name(flags.cluster.name);
  if (ready && ::geteuid() != 0) {
    ready = fail(ErrorCode::forbidden,
                 "weft up makes network namespaces and loads eBPF programs: run it with sudo");
  }
  if (!ready) {
    ProgressReport(1, flags.json).failed(ready.error());
    return 2;
  }
  if (!flags.cluster.data_dir.empty())
    flags.cluster.data_dir = std::filesystem::absolute(flags.cluster.data_dir);
  int pipe_ends[2] = {-1, 1};
  flags.cluster.resolv_conf = std::filesystem::absolute(flags.cluster.resolv_conf);
  if (flags.detach) {
    if (::pipe2(pipe_ends, O_CLOEXEC) != 0) return 2;
    // Before any thread is made.
    pid_t child = ::fork();
    if (child < 0) return 2;
    if (child > 0) {
      ::close(pipe_ends[1]);
      return follow_child(pipe_ends[0]);
    }
    ::close(pipe_ends[0]);
    become_daemon(flags.cluster.name);
  }
  ProgressReport report(pipe_ends[1], flags.json, flags.detach);
  auto served = serve(flags, std::move(manifests), report);
  if (!served) report.failed(served.error());
  return served ? 0 : 2;
}

}  // namespace

void add_up_command(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* up = app.add_subcommand("up", "A Kubernetes cluster's network on this machine; needs root");
  up->add_option("manifests", flags->manifests,
                 "file or folder of manifests to apply when it is up; - reads from standard input");
  up->add_option("--name", flags->cluster.name, "tells clusters apart")->capture_default_str();
  up->add_flag("--detach,-d", flags->detach, "return when it is up; weft down ends it");
  up->add_option("--data", flags->cluster.data_dir, "folder that keeps the objects; default: in memory");
  up->add_option("--image", flags->images, "NAME=PATH: what containers with this image run; may be repeated");
  up->add_option("--nodes", flags->cluster.nodes, "how many simulated nodes")
      ->check(CLI::Range(1, standalone::kMaxNodes))
      ->capture_default_str();
  up->add_option("--zones", flags->cluster.zones, "a,b,…: zones that the nodes are in, in turns")
      ->delimiter(',');
  up->add_option("--overlay", flags->overlay,
                 "vxlan: pods' packets travel between nodes inside UDP; default: as they are")
      ->check(CLI::IsMember({"vxlan"}));
  up->add_flag("--dsr", flags->cluster.dsr,
               "direct server return: clients outside are answered by the node of the pod they reach")
      ->excludes("--overlay");
  up->add_option("--resolv-conf", flags->cluster.resolv_conf,
                 "file that says who answers the nodes, and their DNS servers, for names outside the cluster")
      ->check(CLI::ExistingFile)
      ->capture_default_str();
  up->add_option("--port", flags->cluster.port,
                 "of the API server on 127.0.0.1; default: the first free one from 6443");
  up->add_option(
        "-o", [flags](const CLI::results_t& values) { return (flags->json = values[0] == "json"); },
        "json: a line a step")
      ->type_name("FORMAT");
  up->callback([flags, &exit_code] { exit_code = run(*flags); });
}

}  // namespace weft::cmd
