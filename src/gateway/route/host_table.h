#pragma once

#include <algorithm>
#include <bit>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

/// Things by hostname, from the most specific to the least.
namespace weft::gateway {

struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

/// The host of an authority (in lower case), without its port and a dot at its end.
inline std::string_view host_of(std::string_view authority) {
  if (size_t colon = authority.rfind(':');
      colon != authority.npos && authority.find(']', colon) == authority.npos)
    authority = authority.substr(0, colon);
  if (authority.ends_with('.')) authority.remove_suffix(1);
  return authority;
}

/// Whether a hostname as in VirtualHost takes `host`.
inline bool takes_host(std::string_view hostname, std::string_view host) {
  if (!hostname.starts_with("*.")) return hostname.empty() || hostname == host;
  hostname.remove_prefix(1);
  return host.size() > hostname.size() && host.ends_with(hostname);
}

/// A value for each hostname as in VirtualHost: "" any, "*.example.com" one label or more before the rest.
/// Copies share what neither has written since, so a copy and a few changes cost little. One that is written
/// is one thread's; its copies may be read by others meanwhile.
template <class T>
class HostTable {
 public:
  /// For about so many names.
  explicit HostTable(size_t names = 0) : parts_(parts_for(names)) {}
  /// Whether it is still of the right make for so many.
  bool suits(size_t names) const {
    size_t wanted = parts_for(names);
    return wanted <= 2 * parts_.size() && parts_.size() <= 4 * wanted;
  }

  T& operator[](std::string_view hostname) {
    if (hostname.starts_with("*.")) {
      has_wildcards_ = true;
      hostname.remove_prefix(1);
      return own(hostname).wildcards[std::string(hostname)];
    }
    return own(hostname).names[std::string(hostname)];
  }

  void erase(std::string_view hostname) {
    bool wildcard = hostname.starts_with("*.");
    if (wildcard) hostname.remove_prefix(1);
    auto& part = own(hostname);
    auto& values = wildcard ? part.wildcards : part.names;
    if (auto at = values.find(hostname); at != values.end()) values.erase(at);
  }

  /// The first value that `accept` takes, in this order: the name itself, the longest wildcard, any; or
  /// nullptr.
  template <class Accept>
  const T* find(std::string_view host, Accept accept) const {
    constexpr size_t kLongestName = 253;  // RFC 1035, 2.3.4: what is longer is no name
    if (host.size() <= kLongestName && !host.empty()) {
      if (const T* named = look_up(&Part::names, host); named && accept(*named)) return named;
      for (size_t dot = host.find('.', 1); dot != host.npos && has_wildcards_;
           dot = host.find('.', dot + 1)) {
        const T* wild = look_up(&Part::wildcards, host.substr(dot));
        if (wild && accept(*wild)) return wild;
      }
    }
    const T* any = look_up(&Part::names, {});
    return any && accept(*any) ? any : nullptr;
  }
  const T* find(std::string_view host) const {
    return find(host, [](const T&) { return true; });
  }

 private:
  using Map = std::unordered_map<std::string, T, TextHash, std::equal_to<>>;
  struct Part {
    Map names;
    Map wildcards;  ///< ".example.com"
  };
  static constexpr size_t kNamesOfPart = 32, kMostParts = 256;

  static size_t parts_for(size_t names) {
    return std::bit_ceil(std::clamp<size_t>(names / kNamesOfPart, 1, kMostParts));
  }
  size_t part_of(std::string_view key) const {
    return parts_.size() == 1 ? 0 : TextHash{}(key) & (parts_.size() - 1);
  }
  /// Nobody else can come by a part that this table alone has.
  Part& own(std::string_view key) {
    auto& part = parts_[part_of(key)];
    if (!part)
      part = std::make_shared<Part>();
    else if (part.use_count() > 1)
      part = std::make_shared<Part>(*part);
    return *part;
  }
  const T* look_up(Map Part::* values, std::string_view key) const {
    const auto& part = parts_[part_of(key)];
    if (!part) return nullptr;
    auto at = (part.get()->*values).find(key);
    return at == (part.get()->*values).end() ? nullptr : &at->second;
  }

  std::vector<std::shared_ptr<Part>> parts_;  ///< by the hash of the name, a power of two of them
  bool has_wildcards_ = false;
};

}  // namespace weft::gateway
