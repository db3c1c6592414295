#include "contestant.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <utility>

#include "api.h"
#include "pod.h"

namespace weft::bench {

namespace {

constexpr int kProcessor = 1;  ///< the load has the other

void write_file(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

}  // namespace

DnsContestant::DnsContestant(std::string name, uint16_t port, const std::vector<std::string>& command,
                             const std::string& folder)
    : name_(std::move(name)), port_(port) {
  const std::string log = fmt::format("{}/{}.log", folder, name_);
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork");
  if (pid_ != 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  int fd = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  ::dup2(fd, 1);
  ::dup2(fd, 2);
  ::close_range(3, ~0U, 0);
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(kProcessor, &set);
  ::sched_setaffinity(0, sizeof set, &set);
  std::vector<char*> words;
  for (const auto& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  ::execvp(words[0], words.data());
  std::_Exit(127);
}

DnsContestant DnsContestant::weft(const std::string& folder, uint16_t port, const std::string& agent) {
  auto self = std::filesystem::read_symlink("/proc/self/exe").string();
  return {"weft", port, {self, "serve", folder + "/kubeconfig", std::to_string(port), agent}, folder};
}

DnsContestant DnsContestant::knot(const std::string& folder, uint16_t port, int services) {
  std::filesystem::create_directories(folder + "/knot");
  std::string zone =
      "$ORIGIN cluster.local.\n@ 5 SOA ns.dns hostmaster 1 7200 1800 86400 5\n@ 5 NS ns.dns\nns.dns 5 A "
      "127.0.0.1\n";
  for (int n = 0; n < services; ++n)
    zone += fmt::format("{}.default.svc 5 A {}\n", MadeUpApi::name_of(n), MadeUpApi::address_of(n));
  write_file(folder + "/cluster.local.zone", zone);
  write_file(
      folder + "/knot.conf",
      fmt::format(
          "server:\n  rundir: {0}/knot\n  user: root:root\n  udp-workers: 1\n  tcp-workers: 1\n"
          "  background-workers: 1\n  listen: [127.0.0.1@{1}, {2}@{1}]\nlog:\n  - target: stdout\n    any: "
          "warning\ndatabase:\n  storage: {0}/knot\ntemplate:\n  - id: default\n    storage: "
          "{0}\n    journal-content: none\n    zonefile-sync: -1\nzone:\n  - domain: "
          "cluster.local\n    file: cluster.local.zone\n",
          folder, port, DnsPod::kNode));
  return {"knot", port, {"knotd", "-c", folder + "/knot.conf"}, folder};
}

DnsContestant DnsContestant::unbound(const std::string& folder, uint16_t port, int services) {
  std::string conf = fmt::format(
      "server:\n  interface: 127.0.0.1@{0}\n  interface: {2}@{0}\n  num-threads: 1\n  username: \"\"\n  "
      "chroot: \"\"\n  directory: "
      "\"{1}\"\n  pidfile: \"\"\n  use-syslog: no\n  do-daemonize: no\n  module-config: \"iterator\"\n"
      "  access-control: 0.0.0.0/0 allow\n  local-zone: \"cluster.local.\" static\n",
      port, folder, DnsPod::kNode);
  for (int n = 0; n < services; ++n)
    conf += fmt::format("  local-data: \"{}.default.svc.cluster.local. 5 IN A {}\"\n", MadeUpApi::name_of(n),
                        MadeUpApi::address_of(n));
  conf += "remote-control:\n  control-enable: no\n";
  write_file(folder + "/unbound.conf", conf);
  return {"unbound", port, {"unbound", "-d", "-c", folder + "/unbound.conf"}, folder};
}

DnsContestant DnsContestant::coredns(const std::string& program, const std::string& folder, uint16_t port) {
  write_file(
      folder + "/Corefile",
      fmt::format(
          ".:{0} {{\n  bind 127.0.0.1 {3}\n  errors\n  kubernetes cluster.local in-addr.arpa ip6.arpa {{\n"
          "    kubeconfig {1}/kubeconfig\n    pods insecure\n    fallthrough in-addr.arpa ip6.arpa\n"
          "    ttl 30\n  }}\n  prometheus 127.0.0.1:{2}\n  cache 30\n  loadbalance\n}}\n",
          port, folder, port + 1, DnsPod::kNode));
  return {"coredns", port, {program, "-conf", folder + "/Corefile"}, folder};
}

DnsContestant::DnsContestant(DnsContestant&& other) noexcept
    : name_(std::move(other.name_)), port_(other.port_), pid_(std::exchange(other.pid_, 0)) {}

DnsContestant::~DnsContestant() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

uint64_t DnsContestant::cpu() const {
  uint64_t sum = 0;
  for (const auto& task : std::filesystem::directory_iterator(fmt::format("/proc/{}/task", pid_))) {
    uint64_t ran = 0;
    std::ifstream(task.path() / "schedstat") >> ran;
    sum += ran;
  }
  return sum;
}

uint64_t DnsContestant::status(const char* field) const {
  std::ifstream file(fmt::format("/proc/{}/status", pid_));
  for (std::string word; file >> word;) {
    uint64_t kilobytes = 0;
    if (word == field && file >> kilobytes) return kilobytes * 1024;
  }
  throw std::runtime_error(name_ + " has ended");
}

void DnsContestant::pause() const { ::kill(pid_, SIGSTOP); }

void DnsContestant::go_on() const { ::kill(pid_, SIGCONT); }

void DnsContestant::forget_peak() const { write_file(fmt::format("/proc/{}/clear_refs", pid_), "5"); }

}  // namespace weft::bench
