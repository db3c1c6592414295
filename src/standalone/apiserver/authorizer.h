#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace weft::standalone {

/// What someone wants to do.
struct Access {
  std::string verb;
  std::string group, resource, subresource;
  std::string ns, name;
};

/// Groups in client certificates. Administrators may do everything; each of Weft's own processes only what it
/// is there for, so that one that is taken over cannot start pods. Those that serve certificates, and tell
/// what is wrong with them, read Secrets. Anyone else whom the cluster's authority vouches for may look at
/// what is served, and nothing more.
inline constexpr const char* kAdminGroup = "system:masters";
inline constexpr const char* kAgentGroup = "weft:agents";
inline constexpr const char* kDnsGroup = "weft:dns";
inline constexpr const char* kControllerGroup = "weft:controllers";
inline constexpr const char* kGatewayGroup = "weft:gateways";

bool may(const std::vector<std::string>& groups, const Access& access);

/// In upstream's words: `pods is forbidden: User "x" cannot list resource "pods" in API group "" in the
/// namespace "default"`.
Error forbidden_access(const std::string& user, const Access& access);

}  // namespace weft::standalone
