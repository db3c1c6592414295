#include "gateway/proxy/upstream.h"

#include <algorithm>
#include <map>

#include "gateway/proxy/http1_client.h"
#include "gateway/proxy/http2_client.h"

namespace weft::gateway {

namespace {

constexpr uint32_t kFailures = 3;
constexpr uint64_t kEjection = 5'000;
constexpr uint32_t kEjectionsMax = 6;
/// Connections that are kept though nobody uses them.
constexpr size_t kKept = 128;

}  // namespace

UpstreamHost::~UpstreamHost() {
  // They tell us of their ends.
  retired_ = true;
  while (!codecs_.empty()) loop_.dispose(std::exchange(codecs_.back(), nullptr)), codecs_.pop_back();
}

std::unique_ptr<ClientCodec> UpstreamHost::connect() {
  SslPtr tls = tls_ ? tls_->session() : nullptr;
  if (protocol_ == BackendProtocol::h2c)
    return std::make_unique<Http2Client>(loop_, endpoint_.addr, endpoint_.port, std::move(tls), limits_,
                                         *this);
  return std::make_unique<Http1Client>(loop_, endpoint_.addr, endpoint_.port, std::move(tls), limits_, *this);
}

ClientStream& UpstreamHost::open(ClientStreamEvents& events, bool sure) {
  ++active_;
  while (!free_.empty()) {
    ClientCodec& codec = *free_.back();
    if (sure && codec.is_stale()) {
      free_.pop_back();
      codec.drain();
      continue;
    }
    ClientStream& stream = codec.open(events);
    if (!codec.has_room()) free_.pop_back();
    return stream;
  }
  codecs_.push_back(connect());
  ClientCodec& codec = *codecs_.back();
  codec.slot = codecs_.size() - 1;
  ClientStream& stream = codec.open(events);
  if (codec.has_room()) free_.push_back(&codec);
  return stream;
}

void UpstreamHost::release(bool failed) {
  --active_;
  if (!failed) {
    failures_ = ejections_ = 0;
    return;
  }
  if (++failures_ < kFailures) return;
  failures_ = 0;
  ejections_ = std::min(ejections_ + 1, kEjectionsMax);
  ejected_until_ = loop_.now() + kEjection * ejections_;
}

void UpstreamHost::retire() {
  retired_ = true;
  free_.clear();
  // Idle ones end, and with it leave the list.
  for (size_t i = codecs_.size(); i-- > 0;) codecs_[i]->drain();
}

void UpstreamHost::on_codec_room(ClientCodec& codec) {
  if (retired_) return codec.drain();
  if (std::ranges::find(free_, &codec) != free_.end()) return;
  if (free_.size() >= kKept) return codec.drain();
  free_.push_back(&codec);
}

void UpstreamHost::on_codec_done(ClientCodec& codec) {
  std::erase(free_, &codec);
  size_t slot = codec.slot;
  std::unique_ptr<ClientCodec> done = std::move(codecs_[slot]);
  if (slot + 1 != codecs_.size()) {
    codecs_[slot] = std::move(codecs_.back());
    codecs_[slot]->slot = slot;
  }
  codecs_.pop_back();
  loop_.dispose(std::move(done));
}

UpstreamHost* Upstream::pick(std::span<UpstreamHost* const> tried, std::minstd_rand& random) {
  size_t count = hosts_.size();
  if (count == 0) return nullptr;
  auto good = [&](UpstreamHost& host) {
    return !host.is_ejected() && std::ranges::find(tried, &host) == tried.end();
  };
  UpstreamHost* a = hosts_[random() % count].get();
  UpstreamHost* b = hosts_[random() % count].get();
  if (good(*a)) return good(*b) && b->active() < a->active() ? b : a;
  if (good(*b)) return b;
  // Few are good, or chance would have it so: look at all, from somewhere.
  UpstreamHost* untried = nullptr;
  size_t from = random() % count;
  for (size_t i = 0; i < count; ++i) {
    UpstreamHost* host = hosts_[(from + i) % count].get();
    if (good(*host)) return host;
    if (!untried && std::ranges::find(tried, host) == tried.end()) untried = host;
  }
  return untried;
}

void Upstreams::retire(std::unique_ptr<UpstreamHost> host) {
  host->retire();
  retired_.push_back(std::move(host));
}

void Upstreams::update(Upstream& upstream) {
  std::shared_ptr<const Endpoints> endpoints;
  if (auto at = endpoints_->find(upstream.backend_->endpoints); at != endpoints_->end())
    endpoints = at->second;
  if (endpoints == upstream.endpoints_) return;
  upstream.endpoints_ = endpoints;
  std::map<Endpoint, std::unique_ptr<UpstreamHost>> old;
  for (auto& host : upstream.hosts_) old.emplace(host->endpoint(), std::move(host));
  upstream.hosts_.clear();
  if (endpoints) {
    for (const Endpoint& endpoint : *endpoints) {
      if (auto kept = old.extract(endpoint)) {
        upstream.hosts_.push_back(std::move(kept.mapped()));
        continue;
      }
      upstream.hosts_.push_back(std::make_unique<UpstreamHost>(loop_, endpoint, upstream.backend_->protocol,
                                                               upstream.tls_, limits_));
    }
  }
  for (auto& [endpoint, host] : old) retire(std::move(host));
}

void Upstreams::apply(const Snapshot& snapshot, std::shared_ptr<const BackendTlsContexts> tls) {
  backends_ = snapshot.backends;
  endpoints_ = snapshot.endpoints;
  tls_ = std::move(tls);
  for (auto at = upstreams_.begin(); at != upstreams_.end();) {
    auto now = backends_->find(at->first);
    bool same = now != backends_->end() && *now->second == at->second.backend() &&
                tls_->find(at->first) == at->second.tls_;
    if (same) {
      update(at->second);
      ++at;
      continue;
    }
    for (auto& host : at->second.hosts_) retire(std::move(host));
    at = upstreams_.erase(at);
  }
  sweep();
}

Upstream* Upstreams::find(std::string_view name) {
  if (auto at = upstreams_.find(name); at != upstreams_.end()) return &at->second;
  auto backend = backends_->find(std::string(name));
  if (backend == backends_->end()) return nullptr;
  auto at = upstreams_.try_emplace(std::string(name), backend->second, tls_->find(name)).first;
  update(at->second);
  return &at->second;
}

void Upstreams::sweep() {
  std::erase_if(retired_, [](const auto& host) { return host->is_over(); });
}

}  // namespace weft::gateway
