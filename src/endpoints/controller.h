#pragma once

#include <cstdint>
#include <memory>

#include "endpoints/slice_writer.h"
#include "kube/client/client.h"

namespace weft::endpoints {

/// Keeps the EndpointSlices of all Services with a selector equal to plan_slices(): the engine of the room.
/// Driven by watches on Services, Pods, Nodes and EndpointSlices; a change is acted on at once, a storm of
/// changes to one Service is written at most once in 20 ms. All work happens on the client's io_context.
class Controller {
 public:
  struct Counters : SliceWriter::Counters {
    uint64_t looks = 0;   ///< Services compared with their slices
    uint64_t failed = 0;  ///< writes that the server refused; tried again
  };

  /// `client` must outlive the io_context's run.
  explicit Controller(kube::Client& client);
  ~Controller();
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  /// Begins to watch and, when all four lists are complete, to act.
  void start();
  /// Begins nothing more; what is being written goes on until `idle`.
  void stop();
  bool synced() const;
  /// Nothing is being looked at, and nothing that may be is waiting.
  bool idle() const;
  Counters counters() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace weft::endpoints
