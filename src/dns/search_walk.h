#pragma once

#include <memory>
#include <vector>

#include "dns/timer_queue.h"
#include "dns/worker.h"

/// A pod's search path, walked by the server: the pod asks for `name.<ns>.svc.<zone>`, which does not exist,
/// and gets what it would have found with its next questions, behind a CNAME from the name it asked for.
/// Without anything found, or when an upstream takes its time, it gets the answer that it would have got, and
/// goes on by itself.
namespace weft::dns {

/// A walk that an upstream has to take part in.
struct SearchWalk {
  Query query;
  std::vector<Name> steps;  ///< those not looked at yet, from `at`
  size_t at = 0;
  std::vector<uint8_t> not_found;               ///< the answer when nothing is found
  bool answered = false;                        ///< the pod does not wait any more
  std::unique_ptr<TimerQueue::Timer> patience;  ///< set while an upstream is asked
};

/// What came of the start of a walk.
struct WalkStart {
  size_t size = 0;                   ///< of the answer in `out`, when something was found at once
  std::shared_ptr<SearchWalk> rest;  ///< or the rest of the walk
  Name found;                        ///< what the answer is about
};

/// For a question that `reply` (in `out`) answers with NXDOMAIN. Nothing comes of it, and `out` stays as it
/// is, unless the question is the first step of the walk of the pod behind `link`.
WalkStart start_walk(WorkerContext& context, const Zone& zone, const Query& query, int link,
                     Transport transport, std::span<uint8_t> out, size_t reply);

/// Who walks, and where the answer goes.
struct Walker {
  Client client;
  SocketAddress peer;
  Transport transport;
  DomainFeed::Send reply;
};
/// Takes the walk to its end and gives the answer to who walks, then or at once.
void walk_on(WorkerContext& context, const std::shared_ptr<SearchWalk>& walk, const Walker& walker);

/// Whether a finished answer says that the name does not exist.
inline bool is_nxdomain(std::span<const uint8_t> answer) {
  ResponseHeader header;
  return read_header(answer, header) && header.rcode == Rcode::nxdomain;
}

/// The same question for another name.
Query about(const Query& query, const Name& name);

}  // namespace weft::dns
