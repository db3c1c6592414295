#include "gateway/proxy/access_log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <iterator>

#include "base/log.h"

namespace weft::gateway {

namespace {

constexpr size_t kWaiting = 256;

void append_text(std::string_view name, std::string_view text, std::string& to) {
  if (text.empty()) return;
  to += ",\"";
  to += name;
  to += "\":\"";
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      to += '\\';
      to += c;
    } else if (byte < 0x20 || byte >= 0x7f) {
      fmt::format_to(std::back_inserter(to), "\\u{:04x}", byte);
    } else {
      to += c;
    }
  }
  to += '"';
}

void append_route(const Why& why, std::string& to) {
  append_text("route", fmt::format("{}/{}/{}", why.kind, why.namespace_, why.name), to);
  if (why.rule >= 0) fmt::format_to(std::back_inserter(to), ",\"rule\":{}", why.rule);
}

void append_backend(const Endpoint& endpoint, std::string& to) {
  const auto* form = endpoint.addr.is_v6() ? "[{}]:{}" : "{}:{}";
  append_text("backend", fmt::format(fmt::runtime(form), endpoint.addr.str(), endpoint.port), to);
  append_text("pod", endpoint.pod, to);
}

}  // namespace

int64_t wall_clock_ms() {
  auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

void append_json(const AccessEntry& entry, std::string& to) {
  auto out = std::back_inserter(to);
  fmt::format_to(out, "{{\"time\":{}.{:03}", entry.time_ms / 1000, entry.time_ms % 1000);
  append_text("protocol", entry.protocol, to);
  if (entry.protocol.empty()) fmt::format_to(out, ",\"status\":{}", entry.status);
  fmt::format_to(out, ",\"ms\":{},\"in\":{},\"out\":{}", entry.duration_ms, entry.bytes_in, entry.bytes_out);
  append_text("client", entry.client, to);
  append_text("method", entry.method, to);
  append_text("host", entry.authority, to);
  append_text("path", entry.path, to);
  append_text("gateway", entry.gateway, to);
  append_text("listener", entry.listener, to);
  if (entry.route) append_route(*entry.route, to);
  if (entry.backend) append_backend(*entry.backend, to);
  append_text("flag", name_of(entry.flag), to);
  to += "}\n";
}

AccessLog::AccessLog(Fd file) : file_(std::move(file)), thread_([this] { run(); }) {}

AccessLog::~AccessLog() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void AccessLog::write(std::string lines) {
  {
    std::lock_guard lock(mutex_);
    if (waiting_.size() >= kWaiting) {
      lost_ += lines.size();
      return;
    }
    waiting_.push_back(std::move(lines));
  }
  changed_.notify_one();
}

void AccessLog::run() {
  std::unique_lock lock(mutex_);
  while (!stopped_ || !waiting_.empty()) {
    changed_.wait(lock, [this] { return stopped_ || !waiting_.empty(); });
    std::vector<std::string> now = std::exchange(waiting_, {});
    uint64_t lost = std::exchange(lost_, 0);
    lock.unlock();
    if (lost > 0)
      spdlog::warn("access log: {} bytes lost, requests come faster than they can be written", lost);
    for (const std::string& lines : now) {
      std::string_view rest = lines;
      while (!rest.empty()) {
        ssize_t written = ::write(file_.get(), rest.data(), rest.size());
        if (written < 0 && errno != EINTR) break;
        if (written > 0) rest.remove_prefix(static_cast<size_t>(written));
      }
    }
    lock.lock();
  }
}

}  // namespace weft::gateway
