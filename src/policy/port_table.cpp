#include "policy/port_table.h"

#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <bit>
#include <map>

namespace weft::policy {
namespace {

constexpr std::array<uint8_t, 3> kProtocols = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP};

uint16_t mask_of(int bits) { return static_cast<uint16_t>(0xffff0000U >> bits); }

/// Ports that are decided alike.
struct Segment {
  uint16_t first = 0;
  uint16_t last = 0;
  ReasonPtr wanted;  ///< nullptr: no entry says anything
};

/// To the same effect for whoever reads the verdict: rules of NetworkPolicies add up, so any of those that
/// allow will do.
bool alike(const ReasonPtr& a, const ReasonPtr& b) {
  if (a == b) return true;
  return a && b && a->reason.kind == Reason::Kind::rules && b->reason.kind == Reason::Kind::rules;
}

/// The first ports of segments.
std::vector<uint16_t> starts_of(std::span<const Ports> ranges, const PortTable* fallback, uint8_t protocol) {
  std::vector<uint16_t> starts{0};
  auto add = [&](uint16_t first, uint16_t last) {
    starts.push_back(first);
    if (last != 65535) starts.push_back(static_cast<uint16_t>(last + 1));
  };
  for (const auto& range : ranges) {
    if (range.protocol == protocol) add(range.first, range.last);
  }
  if (fallback) {
    for (const auto& entry : *fallback) {
      if (entry.protocol == protocol && entry.bits > 8)
        add(entry.port, entry.port | static_cast<uint16_t>(~mask_of(entry.bits - 8)));
    }
  }
  std::ranges::sort(starts);
  starts.erase(std::ranges::unique(starts).begin(), starts.end());
  return starts;
}

class Maker {
 public:
  Maker(std::span<const Ports> ranges, const Decide& decide, const PortTable* fallback,
        const ReasonPtr& denied)
      : ranges_(ranges), decide_(decide), fallback_(fallback), denied_(denied) {}

  PortTable run() {
    auto other = decide_(0, 0);
    // With an entry for all protocols the fallback is never asked; without one, wherever there is none.
    bool root = !alike(other, fallen(0, 0));
    if (root) {
      root_ = explicit_(other);
      table_.push_back({0, 0, 0, root_});
    }
    for (auto protocol : kProtocols) add(protocol, root);
    std::ranges::sort(table_, [](const PortEntry& a, const PortEntry& b) { return a.before(b); });
    return std::move(table_);
  }

 private:
  ReasonPtr fallen(uint8_t protocol, uint16_t port) const {
    const auto* entry = fallback_ ? look_up(*fallback_, protocol, port) : nullptr;
    return entry ? entry->reason : nullptr;
  }
  ReasonPtr explicit_(const ReasonPtr& reason) const { return reason ? reason : denied_; }

  /// What each segment of the protocol must say: nothing where what is asked next says the same.
  std::vector<Segment> segments(uint8_t protocol, bool root, bool keep_all) const {
    std::vector<Segment> out;
    auto starts = starts_of(ranges_, root ? nullptr : fallback_, protocol);
    for (size_t i = 0; i < starts.size(); ++i) {
      uint16_t last = i + 1 < starts.size() ? static_cast<uint16_t>(starts[i + 1] - 1) : uint16_t{65535};
      auto wanted = decide_(protocol, starts[i]);
      bool said = root ? alike(explicit_(wanted), root_) : alike(wanted, fallen(protocol, starts[i]));
      auto reason = said && !keep_all ? nullptr : explicit_(wanted);
      if (!out.empty() && out.back().wanted == reason)
        out.back().last = last;
      else
        out.push_back({starts[i], last, std::move(reason)});
    }
    return out;
  }

  static PortTable entries(uint8_t protocol, const std::vector<Segment>& segments, const ReasonPtr& except) {
    PortTable out;
    for (const auto& segment : segments) {
      if (!segment.wanted || segment.wanted == except) continue;
      for (auto [port, bits] : prefixes_of(segment.first, segment.last))
        out.push_back({protocol, port, static_cast<uint8_t>(8 + bits), segment.wanted});
    }
    return out;
  }

  /// The reason that most ports have.
  static ReasonPtr commonest(const std::vector<Segment>& segments) {
    std::map<const NumberedReason*, int> ports;
    const Segment* best = &segments.front();
    for (const auto& segment : segments) {
      auto& count = ports[segment.wanted.get()];
      count += segment.last - segment.first + 1;
      if (count > ports[best->wanted.get()]) best = &segment;
    }
    return best->wanted;
  }

  /// Either only what differs from what is asked next, or one entry for the whole protocol and what differs
  /// from that: whichever is shorter.
  void add(uint8_t protocol, bool root) {
    auto sparse = entries(protocol, segments(protocol, root, false), nullptr);
    if (sparse.size() > 2) {
      auto all = segments(protocol, root, true);
      if (auto common = commonest(all)) {
        auto dense = entries(protocol, all, common);
        if (dense.size() + 1 < sparse.size()) {
          dense.push_back({protocol, 0, 8, common});
          sparse = std::move(dense);
        }
      }
    }
    std::ranges::move(sparse, std::back_inserter(table_));
  }

  std::span<const Ports> ranges_;
  const Decide& decide_;
  const PortTable* fallback_;
  const ReasonPtr& denied_;
  ReasonPtr root_;
  PortTable table_;
};

}  // namespace

const PortEntry* look_up(const PortTable& table, uint8_t protocol, uint16_t port) {
  const PortEntry* best = nullptr;
  for (const auto& entry : table) {
    if (entry.bits >= 8 && entry.protocol != protocol) continue;
    if (entry.bits > 8 && (port & mask_of(entry.bits - 8)) != entry.port) continue;
    if (!best || entry.bits > best->bits) best = &entry;
  }
  return best;
}

std::vector<PortPrefix> prefixes_of(uint16_t first, uint16_t last) {
  std::vector<PortPrefix> out;
  uint32_t at = first, end = static_cast<uint32_t>(last) + 1;
  while (at < end) {
    int free_bits = at == 0 ? 16 : std::countr_zero(at);
    free_bits = std::min(free_bits, static_cast<int>(std::bit_width(end - at)) - 1);
    out.push_back({static_cast<uint16_t>(at), static_cast<uint8_t>(16 - free_bits)});
    at += 1U << free_bits;
  }
  return out;
}

PortTable make_table(std::span<const Ports> ranges, const Decide& decide, const PortTable* fallback,
                     const ReasonPtr& denied) {
  return Maker(ranges, decide, fallback, denied).run();
}

}  // namespace weft::policy
