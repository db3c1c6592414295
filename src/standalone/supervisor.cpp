#include "standalone/supervisor.h"

#include <spdlog/spdlog.h>
#include <sys/wait.h>

#include <algorithm>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <fstream>
#include <ranges>

namespace weft::standalone {

namespace asio = boost::asio;
using namespace std::chrono_literals;

constexpr auto kFirstDelay = 20ms;

struct Supervisor::Child {
  Child(asio::io_context& io, ProcessSpec s) : spec(std::move(s)), ended(io), timer(io) {}
  ProcessSpec spec;
  Process process;
  asio::posix::stream_descriptor ended;
  asio::steady_timer timer;
  std::chrono::steady_clock::time_point started;
  std::chrono::milliseconds delay = kFirstDelay;
};

Supervisor::Supervisor(asio::io_context& io, std::string pids_dir)
    : io_(io), pids_dir_(std::move(pids_dir)) {}

Supervisor::~Supervisor() { stop_all(); }

Expected<void> Supervisor::add(ProcessSpec spec) {
  auto child = std::make_shared<Child>(io_, std::move(spec));
  children_.push_back(child);
  return start(child);
}

Expected<void> Supervisor::start(const std::shared_ptr<Child>& child) {
  WEFT_TRY(child->process, spawn(child->spec));
  child->started = std::chrono::steady_clock::now();
  std::ofstream(pids_dir_ + "/" + child->spec.name) << child->process.pid << "\n";

  child->ended.assign(::dup(child->process.pidfd.get()));
  child->ended.async_wait(asio::posix::stream_descriptor::wait_read,
                          [this, child](boost::system::error_code error) {
                            if (error || stopping_) return;
                            child->ended.close(error);
                            reap(*child);
                            restart_later(child);
                          });
  return {};
}

void Supervisor::reap(Child& child) {
  int status = 0;
  ::waitpid(child.process.pid, &status, 0);
  child.process.pid = -1;
  if (std::chrono::steady_clock::now() - child.started > 10s) child.delay = kFirstDelay;
  spdlog::warn("{} ended ({} {}), starting it again in {} ms; see {}", child.spec.name,
               WIFSIGNALED(status) ? "signal" : "exit code",
               WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), child.delay.count(),
               child.spec.log_file);
}

void Supervisor::restart_later(const std::shared_ptr<Child>& child) {
  child->timer.expires_after(child->delay);
  child->delay = std::min<std::chrono::milliseconds>(child->delay * 2, 5s);
  child->timer.async_wait([this, child](boost::system::error_code error) {
    if (error || stopping_) return;
    if (auto started = start(child); !started) {
      spdlog::error("{}: {}", child->spec.name, started.error().message);
      restart_later(child);
    }
  });
}

void Supervisor::stop_all() {
  stopping_ = true;
  for (auto& child : children_ | std::views::reverse) {
    child->timer.cancel();
    boost::system::error_code ignored;
    child->ended.close(ignored);
    stop(child->process, 2000);
  }
  children_.clear();
}

}  // namespace weft::standalone
