#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/fd.h"
#include "probe/attempt.h"
#include "probe/probe.h"

/// Probes are made by a process of their own, which goes to the client's place, and there by a child each: a
/// resolver that blocks is ended with its process.
namespace weft::probe {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr size_t kAtOnce = 16;
/// What a process may need to start and to write, on a machine that has much to do.
constexpr milliseconds kSlack{15'000};

struct Pipe {
  Fd read, write;
};

Expected<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("pipe", errno);
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

int until(Clock::time_point end) {
  auto left = std::chrono::duration_cast<milliseconds>(end - Clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 60'000));
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    auto written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

/// Everything until the other end is closed; false: the time was over before.
bool read_all(int fd, std::string& out, Clock::time_point end) {
  char buffer[4096];
  while (true) {
    pollfd wait{fd, POLLIN, 0};
    int ready = ::poll(&wait, 1, until(end));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return false;
    auto got = ::read(fd, buffer, sizeof buffer);
    if (got == 0) return true;
    if (got < 0) return errno == EINTR || errno == EAGAIN;
    out.append(buffer, static_cast<size_t>(got));
  }
}

/// One that is under way.
struct Child {
  size_t index = 0;
  pid_t pid = -1;
  Fd output;
  std::string text;
  Clock::time_point end;
};

[[noreturn]] void run_child(const Ask& ask, int out) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  attempt(ask, [&](const Observed& seen) { write_all(out, json::serialize(seen.to_json()) + "\n"); });
  ::_exit(0);
}

Expected<Child> start(const Ask& ask, size_t index) {
  WEFT_TRY(auto pipe, make_pipe());
  pid_t pid = ::fork();
  if (pid < 0) return fail_errno("fork", errno);
  if (pid == 0) run_child(ask, pipe.write.get());
  return Child{.index = index,
               .pid = pid,
               .output = std::move(pipe.read),
               .text = {},
               .end = Clock::now() + ask.patience};
}

/// The last thing that it has said, which holds if it was ended since.
Observed end(Child& child) {
  ::kill(child.pid, SIGKILL);
  ::waitpid(child.pid, nullptr, 0);
  auto last = child.text.rfind('\n');
  if (last != child.text.npos) {
    auto before = last == 0 ? child.text.npos : child.text.rfind('\n', last - 1);
    auto begin = before == child.text.npos ? 0 : before + 1;
    boost::system::error_code bad;
    auto value = json::parse(child.text.substr(begin, last - begin), bad);
    if (auto seen = bad ? Expected<Observed>(fail(ErrorCode::invalid, "")) : observed_of(value)) return *seen;
  }
  Observed out;
  out.detail = "the probing process has said nothing";
  return out;
}

/// Reads what a child has to say; true: it is at its end.
bool has_ended(Child& child) {
  char buffer[4096];
  auto got = ::read(child.output.get(), buffer, sizeof buffer);
  if (got > 0) child.text.append(buffer, static_cast<size_t>(got));
  return got == 0 || (got < 0 && errno != EINTR);
}

Expected<std::vector<Observed>> attempt_all(const std::vector<Ask>& asks) {
  std::vector<Observed> out(asks.size());
  std::vector<Child> running;
  for (size_t next = 0; next < asks.size() || !running.empty();) {
    while (next < asks.size() && running.size() < kAtOnce) {
      WEFT_TRY(auto child, start(asks[next], next));
      running.push_back(std::move(child));
      ++next;
    }
    std::vector<pollfd> waits;
    auto first = running.front().end;
    for (const auto& child : running) {
      waits.push_back({child.output.get(), POLLIN, 0});
      first = std::min(first, child.end);
    }
    ::poll(waits.data(), waits.size(), until(first));
    auto now = Clock::now();
    for (size_t i = waits.size(); i-- > 0;) {
      auto& child = running[i];
      bool over = waits[i].revents != 0 ? has_ended(child) : now >= child.end;
      if (!over) continue;
      out[child.index] = end(child);
      running.erase(running.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  return out;
}

std::vector<std::string> arguments(const Place& place) {
  std::vector<std::string> out{"weft", "probe-agent"};
  auto flag = [&](const char* name, const std::string& value) {
    if (value.empty()) return;
    out.emplace_back(name);
    out.push_back(value);
  };
  flag("--cgroup", place.cgroup);
  flag("--netns", place.netns);
  if (place.pid != 0) flag("--pid", std::to_string(place.pid));
  return out;
}

/// The agent, with the ends of the pipes as its standard input and output.
Expected<pid_t> start_agent(const Place& place, const Pipe& in, const Pipe& out) {
  auto args = arguments(place);
  std::vector<char*> argv;
  for (auto& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, in.read.get(), 0);
  ::posix_spawn_file_actions_adddup2(&actions, out.write.get(), 1);
  pid_t pid = -1;
  int error = ::posix_spawn(&pid, "/proc/self/exe", &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return fail_errno("start a probing process", error);
  return pid;
}

Expected<std::vector<Observed>> answers_in(const std::string& text, size_t count) {
  boost::system::error_code bad;
  auto value = json::parse(text, bad);
  if (!bad && value.is_object()) return fail(ErrorCode::system, std::string(kube::string_at(value, "error")));
  if (bad || !value.is_array() || value.get_array().size() != count)
    return fail(ErrorCode::unavailable, "the probing process has ended without an answer");
  std::vector<Observed> out;
  for (const auto& one : value.get_array()) {
    WEFT_TRY(auto seen, observed_of(one));
    out.push_back(std::move(seen));
  }
  return out;
}

}  // namespace

Expected<std::vector<Observed>> probe_from(const Place& place, const std::vector<Ask>& asks) {
  if (asks.empty()) return std::vector<Observed>{};
  if (::geteuid() != 0)
    return fail(ErrorCode::forbidden, "probes begin in other network namespaces: run it with sudo");
  json::array list;
  milliseconds longest{0};
  for (const auto& ask : asks) {
    list.push_back(to_json(ask));
    longest = std::max(longest, ask.patience);
  }
  WEFT_TRY(auto in, make_pipe());
  WEFT_TRY(auto out, make_pipe());
  WEFT_TRY(auto pid, start_agent(place, in, out));
  in.read.reset();
  out.write.reset();
  write_all(in.write.get(), json::serialize(list));
  in.write.reset();
  std::string text;
  auto rounds = static_cast<int>(asks.size() / kAtOnce + 1);
  bool done = read_all(out.read.get(), text, Clock::now() + longest * rounds + kSlack);
  if (!done) ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  if (!done) return fail(ErrorCode::timeout, "the probing process does not answer: is its node stopped?");
  return answers_in(text, asks.size());
}

Expected<void> run_agent(const Place& place) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // It writes when it has read everything, so that neither waits for the other.
  std::string text;
  read_all(0, text, Clock::now() + kSlack);
  boost::system::error_code bad;
  auto value = json::parse(text, bad);
  if (bad || !value.is_array()) return fail(ErrorCode::invalid, "standard input has no list of probes");
  std::vector<Ask> asks;
  for (const auto& one : value.get_array()) {
    WEFT_TRY(auto ask, ask_of(one));
    asks.push_back(std::move(ask));
  }
  auto answer = [&]() -> Expected<json::value> {
    WEFT_CHECK(place.enter());
    WEFT_TRY(auto all, attempt_all(asks));
    json::array out;
    for (const auto& seen : all) out.push_back(seen.to_json());
    return json::value(std::move(out));
  }();
  if (!answer) answer = json::object{{"error", answer.error().message}};
  write_all(1, json::serialize(*answer));
  return {};
}

}  // namespace weft::probe
