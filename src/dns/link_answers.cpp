#include "dns/link_answers.h"

#include <arpa/inet.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "base/log.h"
#include "base/metric_family.h"
#include "datapath/prefix_key.h"

namespace weft::dns {

namespace {

uint64_t now_ns() {
  return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch() /
                               std::chrono::nanoseconds(1));
}

}  // namespace

void LinkAnswers::service_changed(const kube::Service* before, const kube::Service* after) {
  if (!zone_) return;
  auto was = before ? link_record(*before, *zone_) : std::nullopt;
  auto is = after ? link_record(*after, *zone_) : std::nullopt;
  if (is) {
    put(*is);
  } else if (was) {
    erase(was->first);
  }
}

void LinkAnswers::serving(const domain_feed::Serving* server) {
  auto zone = server ? Name::parse(server->zone) : std::nullopt;
  if (!zone) return tell({});
  zone->lower();
  // Names of another zone must not be there while the server is.
  if (zone_ != zone) {
    tell({});
    fill(*zone);
  }
  tell(server_of(*server));
}

void LinkAnswers::fill(const Name& zone) {
  zone_ = zone;
  if (auto there = maps_.names.read_all()) {
    for (const auto& [name, record] : *there) erase(name);
  } else {
    spdlog::warn("answers at pods' links: {}", there.error().message);
  }
  services_([this](const kube::Service& service) { service_changed(nullptr, &service); });
}

/// What is not there is not answered at the link; what is there must be right.
void LinkAnswers::put(const LinkRecord& record) {
  auto put = maps_.names.update(record.first, record.second);
  if (put) return;
  erase(record.first);
  if (!std::exchange(full_, true))
    spdlog::warn("answers at pods' links: {}; the DNS server gives those that are missing",
                 put.error().message);
}

void LinkAnswers::erase(const weft_dns_name& name) {
  if (auto erased = maps_.names.erase(name); !erased)
    spdlog::warn("answers at pods' links: {}", erased.error().message);
}

void LinkAnswers::tell(const weft_dns_server& server) {
  if (auto told = maps_.server.set(server); !told)
    spdlog::warn("answers at pods' links: {}", told.error().message);
}

weft_dns_server LinkAnswers::server_of(const domain_feed::Serving& server) const {
  weft_dns_server out{};
  out.until_ns = now_ns() + static_cast<uint64_t>(std::chrono::nanoseconds(domain_feed::kServingFor).count());
  out.ttl = server.ttl;
  out.serial = server.serial;
  out.zone_size = static_cast<uint32_t>(zone_->size());
  for (const IpAddr& own : own_) {
    auto at = std::ranges::find_if(server.at, [&](const auto& each) {
      return each.address == own || each.address == (own.is_v4() ? IpAddr::v4({}) : IpAddr::v6({}));
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
