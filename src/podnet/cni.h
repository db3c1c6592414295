#pragma once

#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "kube/json.h"

/// The words of the Container Network Interface, specification 1.1.0 (CNI SPEC.md), as the plugin and the
/// agent exchange them.
namespace weft::podnet {

inline constexpr const char* kCniVersion = "1.1.0";
inline constexpr const char* kCniVersions[] = {"0.3.1", "0.4.0", "1.0.0", "1.1.0"};
inline constexpr const char* kDefaultSocket = "/run/weft/cni.sock";

/// One call of a runtime.
struct CniRequest {
  std::string command;  ///< ADD, DEL, CHECK, GC, STATUS
  std::string container_id;
  std::string netns;  ///< path
  std::string interface;
  std::map<std::string, std::string> args;  ///< CNI_ARGS: K8S_POD_NAMESPACE, K8S_POD_NAME, K8S_POD_UID …
  std::optional<std::vector<std::string>> valid;  ///< GC: container ids that still exist
};

/// Section 5, "Error": the codes that Weft gives.
struct CniError {
  enum Code {
    kIncompatibleVersion = 1,
    kUnknownContainer = 3,
    kInvalidEnvironment = 4,
    kIo = 5,
    kDecode = 6,
    kInvalidConfig = 7,
    kTryAgain = 11,
    kNotAvailable = 50,
    kFailed = 100,     ///< own codes begin here: the pod could not be connected
    kExhausted = 101,  ///< no free address
  };
  int code = kFailed;
  std::string message, details;
};
template <class T>
using CniResult = std::expected<T, CniError>;

/// What ADD gives a pod.
struct CniAttachment {
  std::string interface, mac, netns;
  std::vector<IpAddr> addresses;
  std::string node_interface, node_mac;  ///< the node's end
};

/// What the plugin reads of the network configuration on its standard input.
struct CniConfig {
  std::string version;                            ///< one of kCniVersions
  std::string socket = kDefaultSocket;            ///< the agent's ("socket")
  std::optional<std::vector<std::string>> valid;  ///< container ids of "cni.dev/valid-attachments"
};

/// A request as the agent's socket takes it, and back. Unknown members are left out; what is wrong is kDecode
/// or kInvalidEnvironment.
json::object to_json(const CniRequest& request);
CniResult<CniRequest> parse_request(std::string_view text);

json::object to_json(const CniError& error, std::string_view version = kCniVersion);
/// Section 5, "Success": interfaces, ips and routes, as kCniVersion has them.
json::object to_json(const CniAttachment& attachment);
/// The same as an older version has it.
void convert_result(json::object& result, std::string_view version);

/// kIncompatibleVersion for a version that is not among kCniVersions.
CniResult<CniConfig> parse_config(std::string_view text);
/// The answer to VERSION.
json::object supported_versions();

/// "K8S_POD_NAME=a;IgnoreUnknown=1"
CniResult<std::map<std::string, std::string>> parse_args(std::string_view text);

/// What a container id, and an interface's name, may be (section 2, "Parameters").
bool valid_container_id(std::string_view id);
bool valid_interface(std::string_view name);

}  // namespace weft::podnet
