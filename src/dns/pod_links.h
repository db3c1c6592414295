#pragma once

#include <array>
#include <map>
#include <memory>
#include <shared_mutex>
#include <string>

#include "base/error.h"
#include "dns/poller.h"

namespace weft::dns {

/// Which of the node's links lead to pods, and to which namespaces' pods: what the pod network has written on
/// them (base/pod_alias.h). So a pod is known by the device that its question came through, which, unlike its
/// source address, it cannot choose. Follows rtnetlink(7) without any privilege, in the network namespace of
/// the thread that opens it. One thread handles its events, many may ask.
class PodLinks : public Poller::Handler {
 public:
  /// All links that are there are known when it returns.
  static Expected<std::unique_ptr<PodLinks>> open();

  /// Readable when links have changed.
  int fd() const { return fd_.get(); }
  void on_ready(uint32_t events) override;

  /// Whether the link with this index leads to a pod.
  bool is_pod(int link) const;
  /// The namespace of the pod behind a link; empty when there is none or it is not known.
  std::string namespace_of(int link) const;

 private:
  explicit PodLinks(Fd fd) : fd_(std::move(fd)) {}
  Expected<void> ask_for_all();
  void take(const char* message, size_t size);
  void take_link(const void* header, bool gone);
  void list_done();

  Fd fd_;
  bool listing_ = false;                 ///< a list was asked for and is not complete
  bool missed_ = false;                  ///< something changed unseen since it was asked for
  std::map<int, std::string> listed_{};  ///< by it, so far
  mutable std::shared_mutex mutex_;
  std::map<int, std::string> namespaces_;  ///< by link, of pods only
};

}  // namespace weft::dns
