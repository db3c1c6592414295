#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "kube/client/client.h"
#include "kube/pod.h"

namespace weft::standalone::sandbox {

/// Brings pods' statuses to the API: for each pod one request at a time, with the newest status, as a merge
/// patch of what differs from what the server has. Retries while the server is away; gives up when the object
/// is another one or gone.
class StatusWriter {
 public:
  explicit StatusWriter(kube::Client& client);
  ~StatusWriter();

  void write(const kube::Pod& pod, const kube::PodStatus& status);
  /// What the server has now, as the watch tells it: if somebody wrote over us, the next `write` puts it
  /// right.
  void observe(const kube::Pod& pod);
  /// Nothing is written for pods of that node until it is let go; then all that waits is.
  void hold(const std::string& node, bool held);
  /// Deletes the object (that uid, grace period 0) when all that was written has arrived.
  void remove(const kube::Pod& pod);
  /// The object is gone; what waits is dropped.
  void forget(const std::string& uid);

 private:
  struct Entry;
  struct State;
  static asio::awaitable<void> work(std::shared_ptr<State> state, std::shared_ptr<Entry> entry);
  std::shared_ptr<Entry> entry_of(const kube::Pod& pod);
  void wake(const std::shared_ptr<Entry>& entry);
  std::shared_ptr<State> state_;
};

}  // namespace weft::standalone::sandbox
