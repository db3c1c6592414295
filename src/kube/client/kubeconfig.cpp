#include "kube/client/kubeconfig.h"

#include <fmt/core.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include "kube/base64.h"
#include "kube/json.h"
#include "kube/yaml.h"

namespace weft::kube {

namespace {

namespace fs = std::filesystem;

Expected<std::string> read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail_errno(path.string(), errno);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

/// The entry called `name` of a list like `clusters`, its part called `part`.
const json::value* named(const json::value& config, std::string_view list, std::string_view name,
                         std::string_view part) {
  const auto* entries = member(config, list);
  if (!entries || !entries->is_array()) return nullptr;
  for (const auto& entry : entries->get_array()) {
    if (string_at(entry, "name") == name) return member(entry, part);
  }
  return nullptr;
}

/// Inline base64 data under KEY-data, or the content of the file under KEY (relative to the kubeconfig).
Expected<std::string> data_or_file(const json::value& from, const std::string& key, const fs::path& folder) {
  const auto* data = member(from, key + "-data");
  if (data && data->is_string()) {
    auto decoded = decode_base64(data->get_string());
    if (!decoded) return fail(ErrorCode::invalid, key + "-data: not base64");
    return std::move(*decoded);
  }
  const auto* file = member(from, key);
  if (!file || !file->is_string()) return std::string();
  auto path = folder / std::string_view(file->get_string());
  std::error_code error;
  if (!fs::is_regular_file(path, error))
    return fail(ErrorCode::not_found, fmt::format("{}: {}: no such file", key, path.string()));
  return read_file(path);
}

Expected<void> set_server(std::string_view url, ClientConfig& out) {
  auto bad = [&] {
    return fail(ErrorCode::invalid, fmt::format("server: \"{}\": must be https://HOST[:PORT][/PATH]", url));
  };
  out.tls = !url.starts_with("http://");
  if (!out.tls) out.port = 80;
  if (out.tls && !url.starts_with("https://")) return bad();
  url.remove_prefix(out.tls ? 8 : 7);
  auto slash = url.find('/');
  if (slash != std::string_view::npos) {
    out.base_path = url.substr(slash);
    while (out.base_path.ends_with('/')) out.base_path.pop_back();
    url = url.substr(0, slash);
  }
  auto colon = url.rfind(':');
  bool bracketed = url.starts_with('[');
  if (bracketed && url.find(']') == std::string_view::npos) return bad();
  if (colon != std::string_view::npos && (!bracketed || colon > url.find(']'))) {
    auto digits = url.substr(colon + 1);
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out.port);
    if (error != std::errc{} || end != digits.data() + digits.size()) return bad();
    url = url.substr(0, colon);
  }
  if (bracketed) url = url.substr(1, url.size() - 2);
  if (url.empty()) return bad();
  out.host = url;
  return {};
}

Expected<void> set_user(const json::value& user, const fs::path& folder, ClientConfig& out) {
  for (std::string_view how : {"exec", "auth-provider", "username"}) {
    if (!member(user, how)) continue;
    return fail(ErrorCode::invalid,
                fmt::format("user.{}: not supported; use a client certificate, token or tokenFile", how));
  }
  WEFT_TRY(out.cert_pem, data_or_file(user, "client-certificate", folder));
  WEFT_TRY(out.key_pem, data_or_file(user, "client-key", folder));
  if (const auto* token = member(user, "token"); token && token->is_string()) out.token = token->get_string();
  if (const auto* file = member(user, "tokenFile"); file && file->is_string()) {
    out.token_file = folder / std::string_view(file->get_string());
  }
  return {};
}

Expected<ClientConfig> resolve(const json::value& config, const std::string& context_name,
                               const fs::path& folder) {
  auto name = context_name.empty() ? std::string(string_at(config, "current-context")) : context_name;
  const auto* context = named(config, "contexts", name, "context");
  if (!context) return fail(ErrorCode::not_found, fmt::format("context \"{}\" is not in the file", name));
  const auto* cluster = named(config, "clusters", string_at(*context, "cluster"), "cluster");
  if (!cluster)
    return fail(ErrorCode::not_found, fmt::format("the cluster of context \"{}\" is not in the file", name));
  ClientConfig out;
  WEFT_CHECK(set_server(string_at(*cluster, "server"), out));
  WEFT_TRY(out.ca_pem, data_or_file(*cluster, "certificate-authority", folder));
  out.server_name = string_at(*cluster, "tls-server-name");
  const auto* insecure = member(*cluster, "insecure-skip-tls-verify");
  out.insecure_skip_verify = insecure && insecure->is_bool() && insecure->get_bool();
  if (auto ns = string_at(*context, "namespace"); !ns.empty()) out.namespace_ = ns;
  auto user_name = string_at(*context, "user");
  const auto* user = named(config, "users", user_name, "user");
  if (!user && !user_name.empty())
    return fail(ErrorCode::not_found, fmt::format("the user of context \"{}\" is not in the file", name));
  if (user) WEFT_CHECK(set_user(*user, folder, out));
  if (out.cert_pem.empty() != out.key_pem.empty())
    return fail(ErrorCode::invalid, "user: client-certificate and client-key go together, one is missing");
  return out;
}

}  // namespace

Expected<ClientConfig> parse_kubeconfig(std::string_view text, const std::string& path,
                                        const std::string& context) {
  WEFT_TRY(auto documents, parse_yaml(text, path));
  if (documents.size() != 1) return fail(ErrorCode::invalid, path + ": must hold one kubeconfig");
  auto config = resolve(documents[0].value, context, fs::path(path).parent_path());
  if (!config) return in_context(path, config.error());
  return config;
}

Expected<ClientConfig> load_kubeconfig(const std::string& path, const std::string& context) {
  WEFT_TRY(auto text, read_file(path));
  return parse_kubeconfig(text, path, context);
}

Expected<ClientConfig> in_cluster_config() {
  const char* host = std::getenv("KUBERNETES_SERVICE_HOST");
  const char* port = std::getenv("KUBERNETES_SERVICE_PORT");
  if (!host || !port) {
    return fail(ErrorCode::not_found,
                "no cluster: give --kubeconfig FILE, set KUBECONFIG, or run inside a pod");
  }
  const fs::path account = "/var/run/secrets/kubernetes.io/serviceaccount";
  ClientConfig out;
  out.host = host;
  auto end = port + std::strlen(port);
  if (auto [at, error] = std::from_chars(port, end, out.port); error != std::errc{} || at != end)
    return fail(ErrorCode::invalid, fmt::format("KUBERNETES_SERVICE_PORT: \"{}\" is no port", port));
  WEFT_TRY(out.ca_pem, read_file(account / "ca.crt"));
  out.token_file = account / "token";
  return out;
}

Expected<ClientConfig> find_config(const std::string& path) {
  if (!path.empty()) return load_kubeconfig(path);
  if (const char* from_environment = std::getenv("KUBECONFIG")) return load_kubeconfig(from_environment);
  return in_cluster_config();
}

std::string write_kubeconfig(const ClientConfig& config, const std::string& name) {
  auto host = config.host.find(':') == std::string::npos ? config.host : "[" + config.host + "]";
  auto put = [](json::object& into, std::string_view key, const std::string& text) {
    if (!text.empty()) into[key] = text;
  };
  json::object cluster{{"server", fmt::format("{}://{}:{}{}", config.tls ? "https" : "http", host,
                                              config.port, config.base_path)}};
  put(cluster, "certificate-authority-data", encode_base64(config.ca_pem));
  put(cluster, "tls-server-name", config.server_name);
  if (config.insecure_skip_verify) cluster["insecure-skip-tls-verify"] = true;
  json::object user;
  put(user, "client-certificate-data", encode_base64(config.cert_pem));
  put(user, "client-key-data", encode_base64(config.key_pem));
  put(user, "token", config.token);
  put(user, "tokenFile", config.token_file);
  json::object context{{"cluster", name}, {"user", name}};
  if (config.namespace_ != "default") put(context, "namespace", config.namespace_);
  auto only = [&](std::string_view key, json::object part) {
    return json::array{json::object{{"name", name}, {key, std::move(part)}}};
  };
  json::object out{{"apiVersion", "v1"},
                   {"kind", "Config"},
                   {"clusters", only("cluster", std::move(cluster))},
                   {"users", only("user", std::move(user))},
                   {"contexts", only("context", std::move(context))},
                   {"current-context", name}};
  return to_yaml(out);
}

}  // namespace weft::kube
