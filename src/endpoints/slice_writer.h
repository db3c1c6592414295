#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <vector>

#include "base/error.h"
#include "endpoints/packing.h"
#include "kube/client/client.h"

namespace weft::endpoints {

class SliceCache;

/// Carries changes out at the API server and notes them in the cache.
class SliceWriter {
 public:
  struct Counters {
    uint64_t created = 0;
    uint64_t updated = 0;
    uint64_t removed = 0;
  };

  /// Both must outlive what is being carried out.
  SliceWriter(kube::Client& client, SliceCache& cache) : client_(client), cache_(cache) {}

  /// First what is new, then what changes, then what goes; all of each at the same time. What comes after one
  /// that failed is left. A slice that has changed meanwhile is a conflict; one that is gone when it shall be
  /// removed is fine.
  asio::awaitable<Expected<void>> carry_out(SliceChanges changes);
  const Counters& counters() const { return counters_; }

 private:
  template <class Slice>
  asio::awaitable<Expected<void>> all(asio::awaitable<Expected<void>> (SliceWriter::*write)(Slice),
                                      std::vector<Slice> slices);
  asio::awaitable<Expected<void>> create(kube::EndpointSlice slice);
  asio::awaitable<Expected<void>> update(kube::EndpointSlice slice);
  asio::awaitable<Expected<void>> remove(SlicePtr slice);

  kube::Client& client_;
  SliceCache& cache_;
  Counters counters_;
};

/// Trying again makes no sense: the namespace goes, where nothing can be created and nothing needs to be.
bool is_pointless(const Error& error);
/// The watch is about to show what we did not know: no reason to tell anybody.
bool is_outdated(const Error& error);

}  // namespace weft::endpoints
