#include "kube/client/kubeconfig.h"

#include <fmt/core.h>

#include <charconv>
#include <cstdlib>
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
  return read_file(folder / std::string_view(file->get_string()));
}

Expected<void> set_server(std::string_view url, ClientConfig& out) {
  auto bad = [&] {
    return fail(ErrorCode::invalid, fmt::format("server: {}: must be https://HOST[:PORT][/PATH]", url));
  };
  if (!url.starts_with("https://")) return bad();
  url.remove_prefix(8);
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
  WEFT_TRY(out.cert_pem, data_or_file(user, "client-certificate", folder));
  WEFT_TRY(out.key_pem, data_or_file(user, "client-key", folder));
  if (const auto* token = member(user, "token"); token && token->is_string()) out.token = token->get_string();
  if (const auto* file = member(user, "tokenFile"); file && file->is_string()) {
    out.token_file = folder / std::string_view(file->get_string());
  }
  return {};
}

Expected<ClientConfig> parse(const json::value& config, const std::string& context_name,
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
  if (const auto* user = named(config, "users", string_at(*context, "user"), "user")) {
    WEFT_CHECK(set_user(*user, folder, out));
  }
  return out;
}

}  // namespace

Expected<ClientConfig> load_kubeconfig(const std::string& path, const std::string& context) {
  WEFT_TRY(auto text, read_file(path));
  WEFT_TRY(auto documents, parse_yaml(text, path));
  if (documents.size() != 1) return fail(ErrorCode::invalid, path + ": must hold one kubeconfig");
  auto config = parse(documents[0].value, context, fs::path(path).parent_path());
  if (!config) return in_context(path, config.error());
  return config;
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
  out.port = static_cast<uint16_t>(std::atoi(port));
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
  json::value out = {{"apiVersion", "v1"},
                     {"kind", "Config"},
                     {"clusters",
                      {{{"name", name},
                        {"cluster",
                         {{"server", fmt::format("https://{}:{}{}", host, config.port, config.base_path)},
                          {"certificate-authority-data", encode_base64(config.ca_pem)}}}}}},
                     {"users",
                      {{{"name", name},
                        {"user",
                         {{"client-certificate-data", encode_base64(config.cert_pem)},
                          {"client-key-data", encode_base64(config.key_pem)}}}}}},
                     {"contexts", {{{"name", name}, {"context", {{"cluster", name}, {"user", name}}}}}},
                     {"current-context", name}};
  return to_yaml(out);
}

}  // namespace weft::kube
