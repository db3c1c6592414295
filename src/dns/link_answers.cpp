#include "dns/link_answers.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "base/metric_family.h"
#include "datapath/prefix_key.h"

namespace weft::dns {

namespace {

using Clock = std::chrono::steady_clock;

/// Whoever says each time another zone is not to keep the agent busy.
constexpr auto kFillEach = std::chrono::seconds(10);

uint64_t nanoseconds(Clock::duration since) {
  return static_cast<uint64_t>(std::chrono::nanoseconds(since).count());
}

bool same(const LinkRecord& a, const LinkRecord& b) {
  return std::memcmp(&a.first, &b.first, sizeof a.first) == 0 &&
         std::memcmp(&a.second, &b.second, sizeof a.second) == 0;
}

}  // namespace

void LinkAnswers::service_changed(const kube::Service* before, const kube::Service* after) {
  if (!zone_) return;
  auto changed = change(before ? link_record(*before, *zone_) : std::nullopt,
                        after ? link_record(*after, *zone_) : std::nullopt);
  if (!changed) give_up(changed.error());
}

/// What is not there is not answered at the link; what is there must be right.
Expected<void> LinkAnswers::change(const std::optional<LinkRecord>& was,
                                   const std::optional<LinkRecord>& is) {
  // An entry that is written anew may be read as another one at that moment.
  if (was && is && same(*was, *is)) return {};
  if (is) {
    auto put = maps_.names.update(is->first, is->second);
    if (put) return {};
    if (!std::exchange(told_full_, true))
      spdlog::warn("answers at pods' links: {}; the DNS server gives those that are missing",
                   put.error().message);
  }
  if (!is && !was) return {};
  WEFT_CHECK(maps_.names.erase((is ? *is : *was).first));
  return {};
}

bool LinkAnswers::serving(const domain_feed::Serving* server) {
  auto zone = server ? Name::parse(server->zone) : std::nullopt;
  if (!zone) return stop(), false;
  zone->lower();
  const auto told = server_of(*server, *zone);
  if (told.port4 == 0 && told.port6 == 0) return stop(), false;
  // Names of another zone must not be there while the server is.
  if (zone_ != zone) {
    stop();
    if (Clock::now() < fill_at_) return true;
    if (auto filled = fill(*zone); !filled) return give_up(filled.error()), true;
  }
  server_ = told;
  if (auto set = maps_.server.set(server_); !set) give_up(set.error());
  return true;
}

Expected<void> LinkAnswers::fill(const Name& zone) {
  fill_at_ = Clock::now() + kFillEach;
  zone_.reset();
  WEFT_TRY(auto there, maps_.names.read_all());
  std::vector<weft_dns_name> names;
  for (const auto& [name, record] : there) names.push_back(name);
  WEFT_CHECK(maps_.names.erase_all(names));
  Expected<void> filled;
  services_([&](const kube::Service& service) {
    if (filled) filled = change(std::nullopt, link_record(service, zone));
  });
  if (filled) zone_ = zone;
  return filled;
}

/// All else stays what it was for programs that are at work.
void LinkAnswers::stop() {
  if (std::exchange(server_.until_ns, 0) == 0) return;
  if (auto set = maps_.server.set(server_); !set)
    spdlog::warn("answers at pods' links: {}", set.error().message);
}

/// Until the names can be written from the start.
void LinkAnswers::give_up(const Error& why) {
  spdlog::warn("answers at pods' links: {}; their DNS server gives them", why.message);
  zone_.reset();
  fill_at_ = Clock::now() + kFillEach;
  stop();
}

weft_dns_server LinkAnswers::server_of(const domain_feed::Serving& server, const Name& zone) const {
  weft_dns_server out{};
  out.until_ns = nanoseconds(Clock::now().time_since_epoch() + domain_feed::kServingFor);
  out.ttl = server.ttl;
  out.serial = server.serial;
  out.zone_size = static_cast<uint32_t>(zone.size());
  for (const IpAddr& own : own_) {
    auto at = std::ranges::find_if(server.at, [&](const auto& each) {
      return each.address == own || (each.address.is_unspecified() && each.address.is_v4() == own.is_v4());
    });
    auto& port = own.is_v4() ? out.port4 : out.port6;
    if (at == server.at.end() || port != 0) continue;
    port = htons(at->port);
    datapath::fill_addr(own.is_v4() ? out.addr4 : out.addr6, own);
  }
  return out;
}

std::vector<prometheus::MetricFamily> LinkAnswers::families() const {
  auto answers = maps_.answers();
  if (!answers) return {};
  auto out = metric_family(prometheus::MetricType::Counter, "weft_dns_link_answers_total",
                           "Answers that pods' links gave, for which their DNS server was not asked");
  auto add = [&](weft_dns_counter counter, const char* family, const char* type) {
    add_metric(out, static_cast<double>((*answers)[counter]), {{"family", family}, {"type", type}});
  };
  add(WEFT_DNS_A_BY_V4, "1", "A");
  add(WEFT_DNS_AAAA_BY_V4, "1", "AAAA");
  add(WEFT_DNS_A_BY_V6, "2", "A");
  add(WEFT_DNS_AAAA_BY_V6, "2", "AAAA");
  return {std::move(out)};
}

}  // namespace weft::dns
