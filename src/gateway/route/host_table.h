#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

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
template <class T>
class HostTable {
 public:
  T& operator[](std::string_view hostname) {
    if (hostname.starts_with("*.")) return wildcards_[std::string(hostname.substr(1))];
    return names_[std::string(hostname)];
  }

  /// The first value that `accept` takes, in this order: the name itself, the longest wildcard, any; or
  /// nullptr.
  template <class Accept>
  const T* find(std::string_view host, Accept accept) const {
    constexpr size_t kLongestName = 253;  // RFC 1035, 2.3.4: what is longer is no name
    if (host.size() <= kLongestName && !host.empty()) {
      if (auto at = names_.find(host); at != names_.end() && accept(at->second)) return &at->second;
      for (size_t dot = host.find('.', 1); dot != host.npos && !wildcards_.empty();
           dot = host.find('.', dot + 1))
        if (auto at = wildcards_.find(host.substr(dot)); at != wildcards_.end() && accept(at->second))
          return &at->second;
    }
    auto any = names_.find(std::string_view());
    return any != names_.end() && accept(any->second) ? &any->second : nullptr;
  }
  const T* find(std::string_view host) const {
    return find(host, [](const T&) { return true; });
  }

 private:
  using Map = std::unordered_map<std::string, T, TextHash, std::equal_to<>>;
  Map names_;
  Map wildcards_;  ///< ".example.com"
};

}  // namespace weft::gateway
