#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <vector>

#include "dns/client_limits.h"
#include "dns/config.h"
#include "dns/counters.h"
#include "dns/domain_feed.h"
#include "dns/forwarder.h"
#include "dns/pod_links.h"
#include "dns/poller.h"
#include "dns/responder.h"
#include "dns/shared_zone.h"
#include "dns/socket.h"
#include "dns/timer_queue.h"

/// What one DNS thread is made of. Included by its parts only.
namespace weft::dns {

struct SearchWalk;
/// Where an answer is from that is not the zone's.
struct AnswerSource {
  enum class Kind { none, cache, stale, upstream };
  Kind kind = Kind::none;
  const Upstream* upstream = nullptr;
  std::string str() const;
};

/// What all listeners of a thread share.
struct WorkerContext {
  const SharedZone& zone;
  Poller& poller;
  TimerQueue& timers;
  const OwnQuestions& own;
  DomainFeed& domains;
  Counters& counters;
  ConfigPtr config;  ///< never null; another one between two rounds of events, never within
  std::shared_ptr<const Overrides> overrides;  ///< of `config`
  std::shared_ptr<AnswerCache> cache;          ///< null: nothing is kept
  std::shared_ptr<Forwarder> forwarder;        ///< as `config` says
  const PodLinks* links;                       ///< null: what leads to pods is not known
  const std::vector<Name>& node_search;
  ClientLimits& clients;
  const std::atomic<bool>& ending;  ///< who asks whether the server ends soon is told so
  AnswerSource source{};            ///< of the forwarded answer that is being sent, until another is
  uint32_t rotation = 0;
  Answer answer;                 ///< scratch
  std::vector<uint8_t> message;  ///< scratch, kMaxMessage bytes
  std::vector<uint8_t> chased;   ///< the same, for what an ExternalName leads to
};

/// A question that must go to an upstream.
struct Forwarded {
  size_t index;  ///< of the datagram in its batch
  Query query;
  std::shared_ptr<const Answer> prefix;  ///< an ExternalName's CNAMEs; null for a plain question
  std::shared_ptr<SearchWalk> walk;      ///< what is left of a search path; null for all but the first step
};

/// `link`: the device that the question came through.
inline Client client_of(const WorkerContext& context, int link, const SocketAddress& peer) {
  const bool pod = context.links && context.links->is_pod(link);
  return {.link = pod ? link : 0, .address = peer.ip};
}

/// Makes the note while `context.answer` still holds what was resolved.
Forwarded note_forward(const WorkerContext& context, size_t index, const Query& query);

/// Writes the answer if the cache has it; 0 if it has not. No allocation. `out` is of the size that the
/// transport allows. Not for answers that the agent wants to hear of (`DomainFeed::wants`).
size_t answer_from_cache(WorkerContext& context, const Forwarded& question, Transport transport,
                         std::span<uint8_t> out);

/// Asks upstream and gives the finished answer to `reply`, then or (when it cannot be asked) at once: REFUSED
/// without upstreams, SERVFAIL when too much is in flight, of all or of this client, on a loop, or when no
/// upstream answers and no old answer may be served. The cache is taken as asked, but for answers that the
/// agent wants to hear of.
void forward(WorkerContext& context, const Forwarded& question, const Client& client,
             const SocketAddress& peer, Transport transport, const DomainFeed::Send& reply);

/// Counts an answer that goes out now, and logs it where that is wanted.
void note_answer(WorkerContext& context, const SocketAddress& client, Transport transport,
                 std::span<const uint8_t> answer, Poller::Clock::time_point received);

/// Answers datagrams of one socket, many a system call.
class UdpListener : public Poller::Handler {
 public:
  UdpListener(WorkerContext& context, Fd fd);
  ~UdpListener() override;
  int fd() const { return fd_->get(); }
  void on_ready(uint32_t events) override;

 private:
  struct Batch;
  bool serve_batch();
  void note_backlog(size_t count);
  void serve(const Zone& zone, size_t index, Query& query);
  void queue_reply(size_t index, size_t size);
  void send_replies();
  void note_question(const Response& response, const Query& query, size_t index);
  void note_replies();
  DomainFeed::Send sender(size_t index);

  WorkerContext& context_;
  std::shared_ptr<Fd> fd_;  ///< also of answers that go later
  std::unique_ptr<Batch> batch_;
  size_t backlog_ = 0;  ///< datagrams since the socket was last seen empty
};

struct TcpLimits {
  size_t connections = 256;
  size_t connections_of_client = 64;
  std::chrono::milliseconds idle{10'000};  ///< since the last complete query
  size_t query_size = 4096;
  size_t unsent = 256 * 1024;  ///< bytes of answers waiting; more queries are then not answered
  size_t pending = 100;        ///< questions of a connection that are with upstreams; likewise
};

/// Answers DNS over TCP (RFC 7766): pipelined queries, answers in the order they are ready, idle and slow
/// connections closed, the most idle one making room for a new one: of the same client when that has many.
class TcpListener : public Poller::Handler {
 public:
  TcpListener(WorkerContext& context, Fd fd, TcpLimits limits = {});
  ~TcpListener() override;
  void on_ready(uint32_t events) override;

  Poller::Clock::time_point next_deadline() const;
  void expire(Poller::Clock::time_point now);

 private:
  class Connection;
  using Connections = std::list<std::shared_ptr<Connection>>;
  void close(Connection& connection);
  void make_room(const Client& client);

  WorkerContext& context_;
  Fd fd_;
  TcpLimits limits_;
  Connections connections_;  ///< the one that was active longest ago first
};

}  // namespace weft::dns
