#include "load.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <stdexcept>

#include "../service_load.h"
#include "api.h"
#include "base/fd.h"
#include "dns/codec.h"

namespace weft::bench {

namespace {

constexpr size_t kSockets = 16;
constexpr auto kTick = std::chrono::microseconds(500);
constexpr auto kLate = std::chrono::milliseconds(300);  ///< after which an answer counts as lost

Fd connected(const DnsTarget& target) {
  Fd fd;
  auto open = [&] { fd = Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)); };
  if (target.netns < 0)
    open();
  else
    World::in(Fd(::dup(target.netns)), open);
  int size = 4 << 20;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  auto to = address(target.address, target.port);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) != 0)
    throw std::runtime_error("connect");
  return fd;
}

std::vector<uint8_t> query(const std::string& name, uint16_t id) {
  std::vector<uint8_t> out(512);
  dns::Query like;
  like.recursion_desired = true;
  like.has_edns = true;
  like.edns_udp_size = 1232;
  out.resize(dns::write_query(out, id, *dns::Name::parse(name), like));
  return out;
}

std::string full_name(int n) {
  return fmt::format("{}.{}.svc.cluster.local", MadeUpApi::name_of(n), MadeUpApi::kNamespace);
}

/// One socket with its questions: the id is a place in a ring of times.
struct Asker {
  Fd fd;
  std::vector<uint8_t> packet = query(full_name(0), 0);
  std::vector<Clock::time_point> asked = std::vector<Clock::time_point>(65536);
  uint16_t next = 0;

  void send(int service, DnsLoad& load) {
    const uint16_t id = next++;
    packet[0] = static_cast<uint8_t>(id >> 8);
    packet[1] = static_cast<uint8_t>(id);
    // The six digits of the name.
    const auto digits = fmt::format("{:06}", service);
    std::memcpy(packet.data() + dns::kHeaderSize + 1 + 8, digits.data(), 6);
    asked[id] = Clock::now();
    if (::send(fd.get(), packet.data(), packet.size(), 0) > 0) ++load.sent;
    load.send_ns += static_cast<uint64_t>((Clock::now() - asked[id]).count());
  }

  void hear(DnsLoad& load) {
    std::array<uint8_t, 1500> answer;
    for (ssize_t size; (size = ::recv(fd.get(), answer.data(), answer.size(), 0)) > 0;) {
      const auto id = static_cast<uint16_t>(answer[0] << 8 | answer[1]);
      if (asked[id] == Clock::time_point{}) continue;
      load.latencies.push_back(static_cast<uint32_t>((Clock::now() - asked[id]).count()));
      asked[id] = {};
      ++load.answered;
      dns::ResponseHeader header;
      const bool right = dns::read_header({answer.data(), static_cast<size_t>(size)}, header) &&
                         header.rcode == dns::Rcode::noerror && header.answers == 1;
      if (!right) ++load.wrong;
    }
  }
};

}  // namespace

double DnsLoad::p99_us() const {
  if (latencies.empty()) return 0;
  return latencies[(latencies.size() - 1) * 99 / 100] / 1000.0;
}

DnsLoad ask_evenly(const DnsTarget& target, int services, int rate, std::chrono::milliseconds time) {
  DnsLoad load;
  std::vector<Asker> askers;
  for (size_t i = 0; i < kSockets; ++i) askers.push_back({.fd = connected(target)});
  std::minstd_rand random(7);
  const auto start = Clock::now();
  uint64_t due = 0;
  for (auto now = start; now < start + time + kLate; now = Clock::now()) {
    if (now < start + time)
      due = static_cast<uint64_t>(std::chrono::duration<double>(now - start).count() * rate);
    else if (load.answered == load.sent)
      break;
    for (; load.sent < due;) {
      const auto before = load.sent;
      const int service = 1 + static_cast<int>(random() % static_cast<unsigned>(services - 1));
      askers[load.sent % kSockets].send(service, load);
      if (load.sent == before) break;  // the socket is full: behind schedule, told by what was sent
    }
    for (auto& asker : askers) asker.hear(load);
    while (Clock::now() < now + kTick) {
      for (auto& asker : askers) asker.hear(load);
    }
  }
  std::ranges::sort(load.latencies);
  return load;
}

std::optional<std::string> ask_one(uint16_t port, const std::string& name,
                                   std::chrono::milliseconds patience) {
  Fd fd = connected({.port = port});
  const auto packet = query(name, 1);
  if (::send(fd.get(), packet.data(), packet.size(), 0) < 0) return std::nullopt;
  pollfd wait{.fd = fd.get(), .events = POLLIN, .revents = 0};
  if (::poll(&wait, 1, static_cast<int>(patience.count())) <= 0) return std::nullopt;
  std::array<uint8_t, 1500> answer;
  const ssize_t size = ::recv(fd.get(), answer.data(), answer.size(), 0);
  if (size <= 0) return std::nullopt;
  const std::span<const uint8_t> message(answer.data(), static_cast<size_t>(size));
  dns::ResponseHeader header;
  dns::Name question;
  size_t at = dns::kHeaderSize;
  if (!dns::read_header(message, header) || !dns::read_name(message, at, question)) return std::nullopt;
  if (header.rcode == dns::Rcode::servfail) return std::nullopt;
  at += 4;
  std::string lowest;
  dns::RecordView record;
  for (int i = 0; i < header.answers && dns::read_record(message, at, record); ++i) {
    if (record.type != dns::Type::a) continue;
    auto text = fmt::format("{}.{}.{}.{}", answer[record.data_at], answer[record.data_at + 1],
                            answer[record.data_at + 2], answer[record.data_at + 3]);
    if (lowest.empty() || text < lowest) lowest = std::move(text);
  }
  return lowest;
}

}  // namespace weft::bench
