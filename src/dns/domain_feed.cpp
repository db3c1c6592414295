#include "dns/domain_feed.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/log.h"

namespace weft::dns {

namespace feed = domain_feed;
using Clock = Poller::Clock;

namespace {

constexpr auto kTellLateEvery = std::chrono::seconds(10);

std::string text_of(const Name& name) {
  Name lower = name;
  lower.lower();
  auto out = lower.str();
  out.pop_back();
  return out;
}

}  // namespace

std::vector<feed::TimedAddress> addresses_of(const Name& asked, std::span<const uint8_t> message) {
  ResponseHeader header;
  size_t at = kHeaderSize;
  Name name;
  bool ok = read_header(message, header) && header.response && header.questions == 1 &&
            read_name(message, at, name) && message.size() - at >= 4;
  if (!ok || header.rcode != Rcode::noerror) return {};
  at += 4;
  name = asked;
  uint32_t ttl = INT32_MAX;
  std::vector<feed::TimedAddress> out;
  RecordView record;
  for (int i = 0; i < header.answers && read_record(message, at, record); ++i) {
    if (record.klass != kClassIn || record.owner != name) continue;
    // With its highest bit set it is none.
    uint32_t lives = record.ttl > INT32_MAX ? 0 : std::min(ttl, record.ttl);
    auto data = message.subspan(record.data_at, record.data_size);
    if (record.type == Type::cname) {
      size_t target = record.data_at;
      if (!read_name(message, target, name)) return out;
      ttl = lives;
    } else if (record.type == Type::a && data.size() == 4) {
      std::array<uint8_t, 4> bytes;
      std::ranges::copy(data, bytes.begin());
      out.push_back({IpAddr::v4(bytes), lives});
    } else if (record.type == Type::aaaa && data.size() == 16) {
      std::array<uint8_t, 16> bytes;
      std::ranges::copy(data, bytes.begin());
      out.push_back({IpAddr::v6(bytes), lives});
    }
    if (out.size() == feed::kMaxAddresses) break;
  }
  return out;
}

DomainFeed::DomainFeed(Poller& poller, Options options) : poller_(poller), options_(std::move(options)) {
  look_at_ = options_.socket.empty() ? Clock::time_point::max() : Clock::now();
}

DomainFeed::~DomainFeed() {
  if (fd_) poller_.remove(fd_.get(), this);
}

void DomainFeed::meet(std::chrono::milliseconds patience) {
  if (options_.socket.empty() || !look_for_agent()) return;
  const auto deadline = Clock::now() + patience;
  while (fd_ && !complete_) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd ready{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    if (left <= 0 || ::poll(&ready, 1, static_cast<int>(left)) == 0) return;
    on_ready(EPOLLIN);
  }
}

bool DomainFeed::is_asked(const Name& name) const {
  bool found = false;
  feed::for_each_pattern(text_of(name),
                         [&](const std::string& pattern) { found = found || asked_.contains(pattern); });
  return found;
}

bool DomainFeed::look_for_agent() {
  look_at_ = Clock::now() + options_.look_again;
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  if (options_.socket.size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, options_.socket.data(), options_.socket.size());
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd || ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    if (!std::exchange(missed_, true))
      spdlog::info("no agent at {}: {}; policies that go by names do not learn of answers", options_.socket,
                   std::strerror(errno));
    return false;
  }
  if (!poller_.add(fd.get(), EPOLLIN, this)) return false;
  fd_ = std::move(fd);
  look_at_ = Clock::time_point::max();
  missed_ = complete_ = serving_ = false;
  if (options_.serving) serving_at_ = Clock::now();
  tell_all();
  return true;
}

/// Until another is there, what it asked for last is still kept for it.
void DomainFeed::lose_agent(const char* why) {
  spdlog::warn("the agent at {} is gone: {}; looking for it again", options_.socket, why);
  poller_.remove(fd_.get(), this);
  fd_.reset();
  reader_ = {};
  out_.clear();
  blocked_ = false;
  serving_at_ = Clock::time_point::max();
  hearing_.clear();
  look_at_ = poller_.now() + options_.look_again;
  held_.clear();
  for (auto& [number, answer] : untold_) release(answer, false);
}

void DomainFeed::deliver(const Query& query, std::span<const uint8_t> answer, Send send) {
  auto addresses = addresses_of(query.name, answer);
  if (addresses.empty()) return send(answer);
  if (untold_.size() >= options_.max_untold) {
    send(answer);
    return note_late();
  }
  const auto now = Clock::now();
  auto number = number_++;
  auto& untold = untold_[number];
  untold = {
      .name = text_of(query.name), .addresses = std::move(addresses), .since = now, .held = {}, .send = {}};
  if (!fd_) {
    send(answer);
    return note_late();
  }
  untold.held.assign(answer.begin(), answer.end());
  untold.send = std::move(send);
  held_.emplace(number, now + options_.patience);
  tell(number, untold);
  if (!flush()) lose_agent(std::strerror(errno));
}

void DomainFeed::tell(uint32_t number, const Untold& answer) {
  auto age = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - answer.since).count();
  feed::Answer message{.number = number, .name = answer.name, .addresses = answer.addresses};
  for (auto& address : message.addresses)
    address.ttl -= std::min(address.ttl, static_cast<uint32_t>(std::max<int64_t>(age, 0)));
  out_ += feed::encode(message);
}

void DomainFeed::tell_all() {
  for (const auto& [number, answer] : untold_) tell(number, answer);
  if (!flush()) lose_agent(std::strerror(errno));
}

void DomainFeed::on_ready(uint32_t events) {
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !receive()) return;
  if ((events & EPOLLOUT) != 0 && !flush()) lose_agent(std::strerror(errno));
}

/// False when the agent is gone.
bool DomainFeed::receive() {
  std::array<uint8_t, 16 * 1024> buffer;
  ssize_t size = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (size <= 0) {
    lose_agent(size == 0 ? "it has closed the connection" : std::strerror(errno));
    return false;
  }
  reader_.append({buffer.data(), static_cast<size_t>(size)});
  while (auto message = reader_.next()) {
    if (!take(std::move(*message))) break;
    if (!fd_) return false;
  }
  if (!reader_.broken()) return true;
  lose_agent("it says what cannot be understood");
  return false;
}

/// False for what an agent does not say.
bool DomainFeed::take(feed::Message message) {
  auto& set = complete_ ? asked_ : hearing_;
  if (auto* asked = std::get_if<feed::Asked>(&message)) {
    set.insert(std::move(asked->pattern));
    // It may be of the zone: then the agent is to hear of all its answers.
    if (serving_) serving_at_ = Clock::now();
  } else if (auto* dropped = std::get_if<feed::Dropped>(&message)) {
    set.erase(dropped->pattern);
  } else if (std::holds_alternative<feed::Complete>(message)) {
    complete_ = true;
    asked_ = std::exchange(hearing_, {});
    spdlog::info("the agent at {} asks for {} names", options_.socket, asked_.size());
    if (options_.serving) serving_at_ = Clock::now();
  } else if (auto* done = std::get_if<feed::InForce>(&message)) {
    auto node = untold_.extract(done->number);
    held_.erase(done->number);
    if (!node.empty()) release(node.mapped(), true);
  } else {
    return false;
  }
  return true;
}

bool DomainFeed::flush() {
  while (!out_.empty()) {
    ssize_t size = ::send(fd_.get(), out_.data(), out_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno != EAGAIN) return false;
    if (size < 0) break;
    out_.erase(0, static_cast<size_t>(size));
  }
  if (std::exchange(blocked_, !out_.empty()) != blocked_)
    poller_.modify(fd_.get(), blocked_ ? EPOLLIN | EPOLLOUT : EPOLLIN, this);
  return true;
}

void DomainFeed::release(Untold& answer, bool in_time) {
  auto send = std::exchange(answer.send, {});
  if (!send) return;
  send(answer.held);
  answer.held = {};
  if (!in_time) note_late();
}

void DomainFeed::note_late() {
  ++late_;
  if (Clock::now() - late_told_ < kTellLateEvery && late_ > 1) return;
  late_told_ = Clock::now();
  spdlog::warn("answers that went before the agent had their addresses in force: {} so far", late_);
}

/// Nothing is said until it is known what the agent asks for.
void DomainFeed::tell_serving(Clock::time_point now) {
  serving_at_ = now + options_.serving_each;
  auto serving = complete_ ? options_.serving() : std::nullopt;
  if (serving && std::ranges::any_of(asked_, [&](const std::string& asked) {
        return feed::may_be_within(asked, serving->zone);
      }))
    serving.reset();
  const bool was = std::exchange(serving_, serving.has_value());
  if (!serving && !was) return;
  out_ += serving ? feed::encode(*serving) : feed::encode(feed::Silent{});
  if (!flush()) lose_agent(std::strerror(errno));
}

Clock::time_point DomainFeed::next_deadline() const {
  const auto next = std::min(look_at_, serving_at_);
  return held_.empty() ? next : std::min(next, held_.begin()->second);
}

void DomainFeed::expire(Clock::time_point now) {
  while (!held_.empty() && held_.begin()->second <= now) {
    auto number = held_.begin()->first;
    held_.erase(held_.begin());
    release(untold_.at(number), false);
  }
  if (serving_at_ <= now) tell_serving(now);
  if (look_at_ > now) return;
  // An agent that comes now has no use for these any more.
  std::erase_if(untold_, [&](const auto& entry) {
    return std::ranges::all_of(entry.second.addresses, [&](const auto& address) {
      return entry.second.since + std::chrono::seconds(address.ttl) + feed::kGrace < now;
    });
  });
  look_for_agent();
}

}  // namespace weft::dns
