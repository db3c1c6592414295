#include "kube/client/kubeconfig.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace weft::kube {
namespace {

std::string with(std::string server, std::string cluster, std::string user) {
  return "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- name: c\n  context: {cluster: k, "
         "user: u}\n"
         "clusters:\n- name: k\n  cluster: {server: \"" +
         server + "\"" + cluster + "}\nusers:\n- name: u\n  user: {" + user + "}\n";
}

TEST(Kubeconfig, Servers) {
  struct Case {
    const char* url;
    const char* host;
    int port;
    const char* path;
    bool tls;
  };
  for (auto& c : std::vector<Case>{{"https://api.example:6443", "api.example", 6443, "", true},
                                   {"https://10.0.0.1", "10.0.0.1", 443, "", true},
                                   {"https://[fd00::1]:6443/", "fd00::1", 6443, "", true},
                                   {"https://[fd00::1]", "fd00::1", 443, "", true},
                                   {"https://proxy/k8s/clusters/a/", "proxy", 443, "/k8s/clusters/a", true},
                                   {"http://127.0.0.1:8001", "127.0.0.1", 8001, "", false},
                                   {"http://a", "a", 80, "", false}}) {
    auto config = parse_kubeconfig(with(c.url, "", ""), "f");
    ASSERT_TRUE(config.has_value()) << config.error().message;
    EXPECT_EQ(config->host, c.host);
    EXPECT_EQ(config->port, c.port);
    EXPECT_EQ(config->base_path, c.path);
    EXPECT_EQ(config->tls, c.tls);
  }
  for (const char* url : {"", "api:6443", "ftp://a", "https://", "https://a:b", "https://a:70000",
                          "https://[::1", "https://:6443"}) {
    auto config = parse_kubeconfig(with(url, "", ""), "f");
    ASSERT_FALSE(config.has_value()) << url;
    EXPECT_TRUE(config.error().message.starts_with("f: server: ")) << config.error().message;
  }
}

TEST(Kubeconfig, SaysWhatIsWrong) {
  struct Case {
    std::string text;
    const char* message;
  };
  for (auto& c : std::vector<Case>{
           {"current-context: x", "context \"x\" is not in the file"},
           {"current-context: x\ncontexts: [{name: x, context: {cluster: k}}]",
            "the cluster of context \"x\" is not in the file"},
           {with("https://a", "", "exec: {command: aws}"), "user.exec: not supported"},
           {with("https://a", "", "client-certificate-data: \"%%%\""), "client-certificate-data: not base64"},
           {with("https://a", "", "client-certificate: /nonexistent"),
            "client-certificate: /nonexistent: no such file"},
           {with("https://a", "", "client-certificate-data: YQ=="), "one is missing"},
           {"", "must hold one kubeconfig"},
           {"a: [", "f:"}}) {
    auto config = parse_kubeconfig(c.text, "f");
    ASSERT_FALSE(config.has_value()) << c.text;
    EXPECT_NE(config.error().message.find(c.message), std::string::npos) << config.error().message;
  }
  EXPECT_EQ(load_kubeconfig("/nonexistent/config").error().message.substr(0, 20), "/nonexistent/config:");
}

TEST(Kubeconfig, FilesAreRelativeToIt) {
  namespace fs = std::filesystem;
  auto folder = fs::path(testing::TempDir()) / ("wt-client-" + std::to_string(getpid()));
  fs::create_directories(folder / "pki");
  std::ofstream(folder / "pki/ca.crt") << "CA";
  std::ofstream(folder / "pki/a.crt") << "CERT";
  std::ofstream(folder / "pki/a.key") << "KEY";
  std::ofstream(folder / "config") << with(
      "https://a", ", certificate-authority: pki/ca.crt, tls-server-name: other",
      "client-certificate: pki/a.crt, client-key: pki/a.key, tokenFile: token");
  auto config = load_kubeconfig(folder / "config");
  fs::remove_all(folder);
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_EQ(config->ca_pem, "CA");
  EXPECT_EQ(config->cert_pem, "CERT");
  EXPECT_EQ(config->key_pem, "KEY");
  EXPECT_EQ(config->server_name, "other");
  EXPECT_EQ(config->token_file, folder / "token");
}

TEST(Kubeconfig, WhatIsWrittenIsRead) {
  ClientConfig config;
  config.host = "fd00::1";
  config.port = 6443;
  config.base_path = "/p";
  config.ca_pem = "ca\n";
  config.cert_pem = "cert\n";
  config.key_pem = "key\n";
  config.token = "t";
  config.server_name = "api";
  config.namespace_ = "shop";
  auto again = parse_kubeconfig(write_kubeconfig(config, "weft"), "f");
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ(again->host, config.host);
  EXPECT_EQ(again->port, config.port);
  EXPECT_EQ(again->base_path, config.base_path);
  EXPECT_EQ(again->ca_pem, config.ca_pem);
  EXPECT_EQ(again->cert_pem, config.cert_pem);
  EXPECT_EQ(again->key_pem, config.key_pem);
  EXPECT_EQ(again->token, config.token);
  EXPECT_EQ(again->server_name, config.server_name);
  EXPECT_EQ(again->namespace_, config.namespace_);
}

TEST(Kubeconfig, NoClusterAtAll) {
  ::unsetenv("KUBECONFIG");
  ::unsetenv("KUBERNETES_SERVICE_HOST");
  auto config = find_config("");
  ASSERT_FALSE(config.has_value());
  EXPECT_EQ(config.error().message,
            "no cluster: give --kubeconfig FILE, set KUBECONFIG, or run inside a pod");
}

}  // namespace
}  // namespace weft::kube
