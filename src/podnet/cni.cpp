#include "podnet/cni.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "podnet/pod_link.h"

namespace weft::podnet {
namespace {

bool is_word_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

std::unexpected<CniError> decode_error(std::string message) {
  return std::unexpected(CniError{CniError::kDecode, std::move(message), {}});
}

std::unexpected<CniError> bad_environment(std::string message) {
  return std::unexpected(CniError{CniError::kInvalidEnvironment, std::move(message), {}});
}

CniResult<void> check(const CniRequest& request) {
  constexpr auto kCommands = std::to_array<std::string_view>({"ADD", "DEL", "CHECK", "GC", "STATUS"});
  if (std::ranges::find(kCommands, request.command) == kCommands.end()) {
    return bad_environment(
        fmt::format("CNI_COMMAND: \"{}\" is none of ADD, DEL, CHECK, GC, STATUS, VERSION", request.command));
  }
  if (request.command == "GC" || request.command == "STATUS") return {};
  if (!valid_container_id(request.container_id)) {
    return bad_environment(fmt::format("CNI_CONTAINERID: \"{}\" is no container id", request.container_id));
  }
  if (!valid_interface(request.interface)) {
    return bad_environment(fmt::format("CNI_IFNAME: \"{}\" is no name of an interface", request.interface));
  }
  if (request.netns.empty() && request.command != "DEL") return bad_environment("CNI_NETNS: is not set");
  if (!request.netns.empty() && (request.netns[0] != '/' || request.netns.find('\0') != std::string::npos)) {
    return bad_environment(fmt::format("CNI_NETNS: \"{}\" is no absolute path", request.netns));
  }
  return {};
}

}  // namespace

bool valid_container_id(std::string_view id) {
  return !id.empty() && id.size() <= 128 && is_word_start(id[0]) &&
         std::ranges::all_of(id, [](char c) { return is_word_start(c) || c == '.' || c == '_' || c == '-'; });
}

bool valid_interface(std::string_view name) {
  return !name.empty() && name.size() <= 15 && name != "." && name != ".." &&
         std::ranges::all_of(name, [](char c) { return c > ' ' && c < 127 && c != '/' && c != ':'; });
}

CniResult<std::map<std::string, std::string>> parse_args(std::string_view text) {
  std::map<std::string, std::string> out;
  while (!text.empty()) {
    auto end = text.find(';');
    auto pair = text.substr(0, end);
    auto equals = pair.find('=');
    if (equals == std::string_view::npos)
      return bad_environment(fmt::format("CNI_ARGS: \"{}\" has no '='", pair));
    out[std::string(pair.substr(0, equals))] = pair.substr(equals + 1);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return out;
}

json::object to_json(const CniRequest& request) {
  json::object args;
  for (const auto& [key, value] : request.args) args[key] = value;
  json::object out{{"command", request.command},
                   {"containerID", request.container_id},
                   {"netns", request.netns},
                   {"ifname", request.interface},
                   {"args", std::move(args)}};
  if (request.valid) out["valid"] = json::array(request.valid->begin(), request.valid->end());
  return out;
}

CniResult<CniRequest> parse_request(std::string_view text) {
  boost::system::error_code bad;
  auto value = json::parse(text, bad);
  if (bad || !value.is_object()) return decode_error("the request is no JSON object");
  auto string = [&](const char* key) { return std::string(kube::string_at(value, key)); };
  CniRequest out{.command = string("command"),
                 .container_id = string("containerID"),
                 .netns = string("netns"),
                 .interface = string("ifname"),
                 .args = {},
                 .valid = std::nullopt};
  if (const auto* args = kube::member(value, "args"); args && args->is_object()) {
    for (const auto& [key, arg] : args->get_object()) {
      if (!arg.is_string()) return decode_error(fmt::format("args: {}: not a string", std::string_view(key)));
      out.args[std::string(key)] = std::string(arg.get_string());
    }
  }
  if (const auto* valid = kube::member(value, "valid")) {
    if (!valid->is_array()) return decode_error("valid: not a list of strings");
    out.valid.emplace();
    for (const auto& id : valid->get_array()) {
      if (!id.is_string()) return decode_error("valid: not a list of strings");
      out.valid->emplace_back(id.get_string());
    }
  }
  if (auto checked = check(out); !checked) return std::unexpected(checked.error());
  return out;
}

json::object to_json(const CniError& error, std::string_view version) {
  json::object out{{"cniVersion", version}, {"code", error.code}, {"msg", error.message}};
  if (!error.details.empty()) out["details"] = error.details;
  return out;
}

json::object to_json(const CniAttachment& attachment) {
  constexpr int kPodInterface = 1;  // in `interfaces`
  json::array ips, routes;
  for (const auto& ip : attachment.addresses) {
    auto gateway = gateway_of(ip).str();
    ips.push_back(
        {{"address", IpPrefix{ip, ip.bits()}.str()}, {"gateway", gateway}, {"interface", kPodInterface}});
    routes.push_back({{"dst", ip.is_v4() ? "0.0.0.0/0" : "::/0"}, {"gw", gateway}});
  }
  json::object node_end{{"name", attachment.node_interface}, {"mac", attachment.node_mac}};
  json::object pod_end{
      {"name", attachment.interface}, {"mac", attachment.mac}, {"sandbox", attachment.netns}};
  return {{"cniVersion", kCniVersion},
          {"interfaces", json::array{std::move(node_end), std::move(pod_end)}},
          {"ips", std::move(ips)},
          {"routes", std::move(routes)},
          {"dns", json::object()}};
}

CniResult<CniConfig> parse_config(std::string_view text) {
  boost::system::error_code bad;
  auto value = json::parse(text, bad);
  if (bad || !value.is_object()) return decode_error("the network configuration is no JSON object");
  CniConfig out{.version = std::string(kube::string_at(value, "cniVersion"))};
  if (std::ranges::find(kCniVersions, out.version) == std::end(kCniVersions)) {
    return std::unexpected(CniError{CniError::kIncompatibleVersion,
                                    fmt::format("cniVersion \"{}\" is not supported", out.version),
                                    fmt::format("supported are {}", fmt::join(kCniVersions, ", "))});
  }
  auto invalid = [](std::string message) {
    return std::unexpected(CniError{CniError::kInvalidConfig, std::move(message), {}});
  };
  if (const auto* socket = kube::member(value, "socket")) {
    if (!socket->is_string() || !socket->get_string().starts_with('/'))
      return invalid("socket: no absolute path");
    out.socket = std::string(socket->get_string());
  }
  if (const auto* valid = kube::member(value, "cni.dev/valid-attachments")) {
    if (!valid->is_array()) return invalid("cni.dev/valid-attachments: not a list");
    out.valid.emplace();
    for (const auto& one : valid->get_array()) {
      out.valid->emplace_back(kube::string_at(one, "containerID"));
      if (!valid_container_id(out.valid->back()))
        return invalid("cni.dev/valid-attachments: containerID: no id");
    }
  }
  return out;
}

json::object supported_versions() {
  return {{"cniVersion", kCniVersion},
          {"supportedVersions", json::array(std::begin(kCniVersions), std::end(kCniVersions))}};
}

void convert_result(json::object& result, std::string_view version) {
  result["cniVersion"] = version;
  auto* ips = result.if_contains("ips");
  if (!version.starts_with("0.") || !ips || !ips->is_array()) return;
  for (auto& ip : ips->get_array()) {
    bool v6 = kube::string_at(ip, "address").find(':') != std::string_view::npos;
    ip.get_object()["version"] = v6 ? "6" : "4";
  }
}

}  // namespace weft::podnet
