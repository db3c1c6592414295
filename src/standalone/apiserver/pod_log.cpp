#include "standalone/apiserver/pod_log.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "standalone/apiserver/log_lines.h"
#include "standalone/apiserver/representation.h"
#include "standalone/apiserver/watch.h"

namespace weft::standalone {
namespace {

using boost::asio::awaitable;
using namespace std::chrono_literals;

constexpr auto kLookEvery = 50ms;
constexpr size_t kPiece = 64 << 10;

ApiResult<LogOptions> parse_options(const ApiRequest& request) {
  LogOptions out{.timestamps = request.flag("timestamps")};
  if (auto text = request.param("tailLines"); !text.empty()) {
    WEFT_TRY(out.tail_lines, parse_version(text));
  }
  if (auto text = request.param("limitBytes"); !text.empty()) {
    WEFT_TRY(out.limit_bytes, parse_version(text));
  }
  if (auto text = request.param("sinceSeconds"); !text.empty()) {
    WEFT_TRY(uint64_t seconds, parse_version(text));
    out.since = kube::now_point() - std::chrono::seconds(seconds);
  }
  if (auto text = request.param("sinceTime"); !text.empty()) {
    out.since = kube::parse_time(text);
    if (!out.since) return fail(ErrorCode::bad_request, "sinceTime: not an RFC 3339 time: " + text);
  }
  return out;
}

/// Whether the container may still write to its log.
bool may_write(const Store& store, const Target& target, const std::string& container) {
  auto pod = store.get("/pods", target.ns, target.name);
  if (!pod) return false;
  for (const char* list : {"status.containerStatuses", "status.initContainerStatuses"}) {
    const auto* statuses = kube::at_path(pod->value, list);
    if (!statuses || !statuses->is_array()) continue;
    for (const auto& status : statuses->get_array()) {
      if (kube::string_at(status, "name") == container)
        return kube::at_path(status, "state.running") != nullptr;
    }
  }
  return false;
}

std::string read_piece(int fd) {
  std::string piece(kPiece, '\0');
  auto got = ::read(fd, piece.data(), piece.size());
  piece.resize(got > 0 ? got : 0);
  return piece;
}

/// Goes to where the last lines begin.
void seek_tail(int fd, uint64_t lines) {
  std::string all;
  for (auto piece = read_piece(fd); !piece.empty(); piece = read_piece(fd)) all += piece;
  ::lseek(fd, static_cast<off_t>(tail_offset(all, lines)), SEEK_SET);
}

struct Opened {
  Fd file;
  std::string container;
  LogOptions options;
};

ApiResult<Opened> open_log(const Store& store, PodRuntime& runtime, const ApiRequest& request,
                           const Target& target) {
  auto pod = store.get("/pods", target.ns, target.name);
  if (!pod)
    return std::unexpected(object_failure(ErrorCode::not_found, *target.kind, target.name, "not found"));
  Opened out;
  WEFT_TRY(out.options, parse_options(request));
  WEFT_TRY(out.container, choose_container(pod->value, request.param("container")));
  WEFT_TRY(auto path, runtime.log_path(target.ns, target.name, out.container, request.flag("previous")));
  out.file = Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!out.file) return std::unexpected(ApiFailure(fail_errno("open the log", errno).error()));
  if (out.options.tail_lines) seek_tail(out.file.get(), *out.options.tail_lines);
  return out;
}

}  // namespace

ApiResult<std::string> choose_container(const json::value& pod, const std::string& asked) {
  std::string names;
  size_t count = 0;
  for (const char* list : {"spec.containers", "spec.initContainers"}) {
    const auto* containers = kube::at_path(pod, list);
    if (!containers || !containers->is_array()) continue;
    for (const auto& container : containers->get_array()) {
      std::string name(kube::string_at(container, "name"));
      if (name == asked) return name;
      if (std::string_view(list) == "spec.containers") {
        names += (count++ ? " " : "") + name;
      }
    }
  }
  auto pod_name = kube::string_at(pod, "metadata.name");
  if (!asked.empty()) {
    return fail(ErrorCode::bad_request, fmt::format("container {} is not valid for pod {}", asked, pod_name));
  }
  if (count == 1) return names;
  const auto* annotations = kube::at_path(pod, "metadata.annotations");
  const auto* chosen =
      annotations ? kube::member(*annotations, "kubectl.kubernetes.io/default-container") : nullptr;
  if (chosen && chosen->is_string() && !chosen->get_string().empty()) {
    return choose_container(pod, std::string(chosen->get_string()));
  }
  return fail(
      ErrorCode::bad_request,
      fmt::format("a container name must be specified for pod {}, choose one of: [{}]", pod_name, names));
}

awaitable<void> serve_pod_log(boost::asio::io_context& io, const Store& store, PodRuntime& runtime,
                              const ApiRequest& request, const Target& target, BodyStream& body,
                              std::optional<ApiResponse>& refusal) {
  auto log = open_log(store, runtime, request, target);
  if (!log) {
    refusal = failure_response(log.error());
    co_return;
  }
  LogFilter filter(log->options);
  if (!co_await body.start("text/plain")) co_return;
  boost::asio::steady_timer timer(io);
  bool follow = request.flag("follow");
  while (!filter.full()) {
    // Asked before reading: what the container wrote until it ended is read in this round.
    bool more = follow && may_write(store, target, log->container);
    auto piece = read_piece(log->file.get());
    if (!co_await body.write(filter.feed(piece))) co_return;
    if (!piece.empty()) continue;
    if (!more) break;
    timer.expires_after(kLookEvery);
    co_await timer.async_wait(boost::asio::use_awaitable);
  }
}

}  // namespace weft::standalone
