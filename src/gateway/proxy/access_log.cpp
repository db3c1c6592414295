#include "gateway/proxy/access_log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
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

}  // namespace

void append_json(const AccessEntry& entry, std::string& to) {
  fmt::format_to(std::back_inserter(to), "{{\"time\":{}.{:03},\"status\":{},\"ms\":{},\"in\":{},\"out\":{}",
                 entry.time_ms / 1000, entry.time_ms % 1000, entry.status, entry.duration_ms, entry.bytes_in,
                 entry.bytes_out);
  append_text("client", entry.client, to);
  append_text("method", entry.method, to);
  append_text("host", entry.authority, to);
  append_text("path", entry.path, to);
  append_text("gateway", entry.gateway, to);
  append_text("listener", entry.listener, to);
  append_text("route", entry.route, to);
  append_text("backend", entry.backend, to);
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
