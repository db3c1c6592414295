#include "dns/upstream_client.h"

#include <spdlog/spdlog.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>

namespace weft::dns {
namespace {

constexpr int kMessagesARound = 16;  // of one socket, so that a flood of forged ones does not hold others up

bool wants_tcp(std::span<const uint8_t> message) {
  ResponseHeader header;
  return read_header(message, header) && header.truncated;
}

/// What servers of before 1999 say to an OPT record.
bool dislikes_edns(std::span<const uint8_t> message) {
  ResponseHeader header;
  if (!read_header(message, header)) return false;
  return (header.rcode == Rcode::formerr || header.rcode == Rcode::notimp) && header.additionals == 0;
}

}  // namespace

class UpstreamClient::Try : public UpstreamTry, Poller::Handler {
 public:
  Try(UpstreamClient& client, const UpstreamQuestion& question, std::chrono::milliseconds patience, Done done)
      : client_(client),
        context_(client.context_),
        question_(question),
        done_(std::move(done)),
        sent_(question),
        timer_(context_.timers, [this] { time_out(); }) {
    timer_.at(asked_ + patience);
  }
  ~Try() override { close(); }

  bool start() { return client_.stream_only_ ? start_stream() : start_udp(); }

 private:
  bool start_udp() {
    close();
    const SocketAddress& address = client_.upstream_.address;
    fd_ = Fd(::socket(address.ip.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_storage storage{};
    const socklen_t size = address.to(storage);
    if (!fd_ || ::connect(fd_.get(), reinterpret_cast<sockaddr*>(&storage), size) != 0) return false;
    id_ = context_.random.next16();
    sent_.name = client_.keeps_case_ ? context_.random.shuffle_case(question_.name) : question_.name;
    port_ = local_address(fd_).port;
    context_.own.note(port_, id_);
    std::array<uint8_t, kMinUdpSize> message;
    const size_t length = write_upstream_query(message, id_, sent_, edns_);
    if (!context_.poller.add(fd_.get(), EPOLLIN, this)) return false;
    return ::send(fd_.get(), message.data(), length, MSG_NOSIGNAL) == static_cast<ssize_t>(length);
  }

  bool start_stream() {
    close();
    ticket_ = client_.stream_.ask(sent_, [this](std::span<const uint8_t> message) {
      if (!message.empty()) return on_stream(message);
      if (!truncated_.empty()) return finish(std::exchange(truncated_, {}));
      // Nor does it have TCP to make sure: asked as it is from now on.
      if (std::exchange(other_case_, false)) {
        client_.keeps_case_ = false;
        if (start_udp()) return;
      }
      finish({});
    });
    return ticket_ != nullptr;
  }

  void on_stream(std::span<const uint8_t> message) {
    bool same_case = true;
    ResponseHeader header;
    read_header(message, header);
    is_answer_to(sent_, header.id, message, same_case);
    // Nobody forges over TCP: if it is in another case there too, the upstream does it.
    if (other_case_ && !same_case) client_.keeps_case_ = false;
    finish(message);
  }

  void on_ready(uint32_t) override {
    for (int i = 0; i < kMessagesARound; ++i) {
      auto& buffer = context_.buffer;
      const ssize_t size = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
      if (size < 0) return finish({});  // port unreachable and the like
      std::span<const uint8_t> message(buffer.data(), static_cast<size_t>(size));
      bool same_case = false;
      if (is_answer_to(sent_, id_, message, same_case)) return on_datagram(message, same_case);
    }
  }

  void on_datagram(std::span<const uint8_t> message, bool same_case) {
    other_case_ = client_.keeps_case_ && !same_case;
    if (edns_ && !other_case_ && dislikes_edns(message)) {
      edns_ = false;
      if (start_udp()) return;
      return finish({});
    }
    // One that answers without what it disliked before will not be asked with it again.
    if (!edns_ && !other_case_ && !dislikes_edns(message)) client_.knows_edns_ = false;
    if (!other_case_ && !wants_tcp(message)) return finish(message);
    if (!other_case_) truncated_.assign(message.begin(), message.end());
    if (start_stream()) return;
    finish(std::exchange(truncated_, {}));
  }

  void time_out() {
    if (ticket_) ticket_->time_out();
    finish(std::exchange(truncated_, {}));
  }

  void close() {
    ticket_.reset();
    if (!fd_) return;
    context_.own.forget(port_);
    context_.poller.remove(fd_.get(), this);
    fd_.reset();
  }

  /// The last that it does: who is told may destroy it.
  void finish(std::span<const uint8_t> message) {
    timer_.cancel();
    if (!done_) return;
    client_.on_end(asked_, message);
    std::exchange(done_, {})(message);
  }

  UpstreamClient& client_;
  UpstreamContext& context_;
  const UpstreamQuestion question_;
  Done done_;
  UpstreamQuestion sent_;  ///< in the case that was sent
  const Poller::Clock::time_point asked_ = Poller::Clock::now();
  TimerQueue::Timer timer_;
  Fd fd_;
  uint16_t id_ = 0, port_ = 0;
  bool edns_ = client_.knows_edns_;
  bool other_case_ = false;
  std::vector<uint8_t> truncated_;  ///< better than nothing, if TCP fails
  std::unique_ptr<UpstreamStream::Ticket> ticket_;
};

UpstreamClient::UpstreamClient(UpstreamContext& context, const Upstream& upstream, const Forward& forward,
                               UpstreamCounters& counters)
    : context_(context),
      upstream_(upstream),
      timeout_(forward.timeout),
      health_check_(forward.health_check),
      max_fails_(forward.max_fails),
      stream_only_(forward.force_tcp || upstream.tls()),
      counters_(counters),
      stream_(context, upstream, counters),
      probe_timer_(context.timers, [this] { on_probe_timer(); }) {}

UpstreamClient::~UpstreamClient() = default;

std::unique_ptr<UpstreamTry> UpstreamClient::start(const UpstreamQuestion& question,
                                                   std::chrono::milliseconds patience, Done done) {
  counters_.requests.add();
  auto attempt = std::make_unique<Try>(*this, question, patience, std::move(done));
  if (attempt->start()) return attempt;
  const bool ours = errno == EMFILE || errno == ENFILE;  // we are out of descriptors
  counters_.unanswered.add();
  if (!ours) suspect();
  return nullptr;
}

std::unique_ptr<UpstreamTry> UpstreamClient::ask(const UpstreamQuestion& question, Done done) {
  return start(question, timeout_, std::move(done));
}

void UpstreamClient::on_end(Poller::Clock::time_point asked, std::span<const uint8_t> message) {
  ResponseHeader header;
  if (!read_header(message, header)) return counters_.unanswered.add();
  heard_ = Poller::Clock::now();
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(heard_ - asked).count();
  const auto us = static_cast<uint64_t>(std::max<int64_t>(took, 0));
  counters_.responses[static_cast<size_t>(header.rcode)].add();
  counters_.duration_us.add(us);
  const auto bucket = std::ranges::lower_bound(Counters::kBuckets, us);
  counters_.durations[static_cast<size_t>(bucket - Counters::kBuckets.begin())].add();
  if (health_ == Health::down) spdlog::info("upstream {} answers again", upstream_.address.str());
  health_ = Health::well;
  fails_ = 0;
  counters_.down.set(0);
}

void UpstreamClient::suspect() {
  if (retired_ || health_ != Health::well) return;
  health_ = Health::suspect;
  fails_ = 0;
  probe();
}

void UpstreamClient::retire() {
  retired_ = true;
  probe_timer_.cancel();
  probe_.reset();
}

void UpstreamClient::probe() {
  probing_ = true;
  probe_ = start({.name = Name(), .type = Type::ns}, health_check_, [this](std::span<const uint8_t> message) {
    if (message.empty()) on_probe_failed();
    probing_ = false;
  });
  if (!probe_) on_probe_failed();
  probe_timer_.at(Poller::Clock::now() + health_check_);
}

void UpstreamClient::on_probe_timer() {
  if (health_ == Health::well) return probe_.reset();
  on_probe_failed();
  probe();
}

void UpstreamClient::on_probe_failed() {
  if (!std::exchange(probing_, false)) return;
  counters_.probes_failed.add();
  if (health_ != Health::suspect || ++fails_ < max_fails_ || max_fails_ <= 0) return;
  health_ = Health::down;
  counters_.down.set(1);
  const std::string& trouble = stream_.trouble();
  spdlog::warn("upstream {} is down: {}", upstream_.address.str(),
               trouble.empty() ? "it does not answer" : trouble);
}

}  // namespace weft::dns
