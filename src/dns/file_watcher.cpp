#include "dns/file_watcher.h"

#include <sys/stat.h>

#include <utility>

namespace weft::dns {

FileWatcher::FileWatcher(asio::io_context& io, std::function<void()> changed,
                         std::chrono::milliseconds interval)
    : changed_(std::move(changed)), interval_(interval), timer_(io) {
  wait();
}

FileWatcher::~FileWatcher() { timer_.cancel(); }

void FileWatcher::watch(std::vector<std::string> paths) {
  paths_ = std::move(paths);
  told_ = last_ = look();
}

std::vector<FileWatcher::State> FileWatcher::look() const {
  std::vector<State> out;
  for (const auto& path : paths_) {
    struct stat found{};
    State state;
    if (::stat(path.c_str(), &found) == 0) {
      state = {.there = true,
               .device = found.st_dev,
               .inode = found.st_ino,
               .size = found.st_size,
               .changed = found.st_ctim.tv_sec * 1'000'000'000 + found.st_ctim.tv_nsec};
    }
    out.push_back(state);
  }
  return out;
}

void FileWatcher::wait() {
  timer_.expires_after(interval_);
  timer_.async_wait([this](boost::system::error_code cancelled) {
    if (!cancelled) tick();
  });
}

void FileWatcher::tick() {
  auto now = look();
  const bool settled = now == last_;
  last_ = now;
  wait();
  if (!settled || now == told_) return;
  told_ = std::move(now);
  changed_();
}

}  // namespace weft::dns
