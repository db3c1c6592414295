#pragma once

#include <sys/types.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace weft {
namespace asio = boost::asio;
}

namespace weft::dns {

/// Looks at files every second and tells when one of them is another: written, replaced, gone, or behind a
/// symbolic link that leads elsewhere (how a ConfigMap's mount changes). By looking, as no event tells of the
/// last one on every file system. A file that is being written is not told before it has been the same for
/// one look.
class FileWatcher {
 public:
  /// `changed` runs on the io_context; it may call `watch`.
  FileWatcher(asio::io_context& io, std::function<void()> changed,
              std::chrono::milliseconds interval = std::chrono::seconds(1));
  ~FileWatcher();
  FileWatcher(const FileWatcher&) = delete;
  FileWatcher& operator=(const FileWatcher&) = delete;

  /// These from now on, as they are now.
  void watch(std::vector<std::string> paths);

 private:
  struct State {
    bool there = false;
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    int64_t changed = 0;  ///< nanoseconds
    bool operator==(const State&) const = default;
  };
  std::vector<State> look() const;
  void wait();
  void tick();

  std::function<void()> changed_;
  const std::chrono::milliseconds interval_;
  asio::steady_timer timer_;
  std::vector<std::string> paths_;
  std::vector<State> told_, last_;
};

}  // namespace weft::dns
