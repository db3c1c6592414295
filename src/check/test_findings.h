#pragma once

/// For tests of this room: what is found in manifests of a file "shop.yaml".

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "check/check.h"
#include "standalone/offline.h"

namespace weft::check::test {

inline std::vector<Finding> findings_of(const std::string& yaml) {
  auto manifests = kube::parse_yaml(yaml, "shop.yaml");
  EXPECT_TRUE(manifests) << manifests.error().message;
  if (!manifests) return {};
  auto found = check(*manifests, standalone::offline_cluster, std::chrono::system_clock::now());
  EXPECT_TRUE(found) << found.error().message;
  return found ? std::move(*found) : std::vector<Finding>{};
}

/// "12 error WEFT0104", a line each.
inline std::string brief(const std::vector<Finding>& findings) {
  std::string out;
  for (const auto& finding : findings) {
    EXPECT_EQ(finding.where.file, "shop.yaml");
    // An API server's own reasons say what is expected.
    EXPECT_TRUE(!finding.fix.empty() || finding.code == "WEFT0001") << finding.str();
    out += std::to_string(finding.where.line) + " " + std::string(name_of(finding.severity)) + " " +
           finding.code + "\n";
  }
  return out;
}

/// Deployment shop/web, whose pods listen at 8080; 15 lines, the last one "---".
inline constexpr const char* kWeb = R"(
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: main
          image: web
          ports: [{name: http, containerPort: 8080}]
          readinessProbe: {httpGet: {port: http}}
---
)";

/// With a Service shop/web, whose spec is at line 19.
inline std::string service(const std::string& spec) {
  return std::string(kWeb) +
         "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: " + spec + "\n";
}

}  // namespace weft::check::test
