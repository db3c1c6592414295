#pragma once

#include <cstdint>
#include <memory>

#include "endpoints/slice_writer.h"
#include "kube/client/client.h"

namespace weft::endpoints {

/// Keeps the EndpointSlices of Endpoints that people or their programs write equal to plan_mirror(). Driven
/// by watches on Endpoints, Services and EndpointSlices; a change is acted on at once, a storm of changes to
/// one object is written at most once in 20 ms. Addresses that are left out are told by an Event on the
/// Endpoints. All work happens on the client's io_context.
class MirrorController {
 public:
  struct Counters : SliceWriter::Counters {
    uint64_t looks = 0;   ///< Endpoints compared with their slices
    uint64_t failed = 0;  ///< writes that the server refused; tried again
  };

  /// `client` must outlive the io_context's run.
  explicit MirrorController(kube::Client& client);
  ~MirrorController();
  MirrorController(const MirrorController&) = delete;
  MirrorController& operator=(const MirrorController&) = delete;

  /// Begins to watch and, when all three lists are complete, to act.
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
