#pragma once

#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gateway/config/config.h"
#include "gateway/proxy/client_codec.h"
#include "gateway/proxy/loop.h"
#include "gateway/proxy/tls_client.h"
#include "gateway/route/host_table.h"

/// Where requests go to: what a worker knows of backends, their endpoints and the connections to them.
/// Nothing is shared between workers.
namespace weft::gateway {

/// An endpoint of a backend.
class UpstreamHost final : public ClientCodecOwner {
 public:
  UpstreamHost(Loop& loop, const Endpoint& endpoint, BackendProtocol protocol,
               std::shared_ptr<const BackendTlsContext> tls, const ClientLimits& limits)
      : loop_(loop), endpoint_(endpoint), protocol_(protocol), tls_(std::move(tls)), limits_(limits) {}
  /// The connections end at once.
  ~UpstreamHost();

  const Endpoint& endpoint() const { return endpoint_; }
  /// A stream on a connection that stands, or on a new one. `sure`: the request cannot be sent twice, so the
  /// connection is looked at first. release() has to follow when the stream is over.
  ClientStream& open(ClientStreamEvents& events, bool sure);
  void release(bool failed);
  /// Requests on their way.
  size_t active() const { return active_; }
  /// Failed several times in a row, and is left alone for a while.
  bool is_ejected() const { return ejected_until_ > loop_.now(); }

  /// No new requests; those under way finish.
  void retire();
  bool is_over() const { return active_ == 0 && codecs_.empty(); }

  void on_codec_room(ClientCodec& codec) override;
  void on_codec_done(ClientCodec& codec) override;

 private:
  std::unique_ptr<ClientCodec> connect();

  Loop& loop_;
  Endpoint endpoint_;
  BackendProtocol protocol_;
  std::shared_ptr<const BackendTlsContext> tls_;
  const ClientLimits& limits_;
  std::vector<std::unique_ptr<ClientCodec>> codecs_;
  std::vector<ClientCodec*> free_;  ///< have room; the last one was used last
  size_t active_ = 0;
  uint32_t failures_ = 0;   ///< in a row
  uint32_t ejections_ = 0;  ///< in a row
  uint64_t ejected_until_ = 0;
  bool retired_ = false;
};

/// A backend.
class Upstream {
 public:
  Upstream(std::shared_ptr<const Backend> backend, std::shared_ptr<const BackendTlsContext> tls)
      : backend_(std::move(backend)), tls_(std::move(tls)) {}

  const Backend& backend() const { return *backend_; }
  /// It cannot be spoken with as its objects ask for.
  bool is_broken() const { return backend_->broken || (backend_->tls && !tls_); }
  /// Of two at random the one with fewer requests under way; not one of `tried` nor an ejected one if there
  /// is another. Null: there is none, or none that has not been tried.
  UpstreamHost* pick(std::span<UpstreamHost* const> tried, std::minstd_rand& random);

 private:
  friend class Upstreams;
  std::shared_ptr<const Backend> backend_;
  std::shared_ptr<const BackendTlsContext> tls_;
  std::shared_ptr<const Endpoints> endpoints_;
  std::vector<std::unique_ptr<UpstreamHost>> hosts_;  ///< in the order of endpoints_
};

/// All of them, made when they are first asked for.
class Upstreams {
 public:
  Upstreams(Loop& loop, const ClientLimits& limits) : loop_(loop), limits_(limits) {}

  /// What is the same in the next snapshot keeps its connections.
  void apply(const Snapshot& snapshot, std::shared_ptr<const BackendTlsContexts> tls);
  /// Null: there is no such backend.
  Upstream* find(std::string_view name);
  /// Lets go of retired hosts that are over.
  void sweep();

 private:
  using Map = std::unordered_map<std::string, Upstream, TextHash, std::equal_to<>>;
  void update(Upstream& upstream);
  void retire(std::unique_ptr<UpstreamHost> host);

  Loop& loop_;
  const ClientLimits& limits_;
  std::shared_ptr<const SharedMap<Backend>> backends_;
  std::shared_ptr<const SharedMap<Endpoints>> endpoints_;
  std::shared_ptr<const BackendTlsContexts> tls_;
  Map upstreams_;
  std::vector<std::unique_ptr<UpstreamHost>> retired_;
};

}  // namespace weft::gateway
