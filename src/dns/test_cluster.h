#pragma once

#include <map>
#include <stdexcept>
#include <string>

#include "dns/plan.h"
#include "kube/codec.h"

namespace weft::dns {

/// A small cluster for tests: Namespaces `shop`, `other` and `empty`, and Services of every shape in `shop`.
/// Changes go through the same door as an informer's.
class TestCluster {
 public:
  explicit TestCluster(ZoneOptions options = {}) : zone(std::move(options)) {
    for (const char* name : {"shop", "other", "empty"}) {
      add_namespace(name);
    }
    service("web", R"({"clusterIP":"10.96.0.20","clusterIPs":["10.96.0.20"],
                       "ports":[{"name":"http","port":80,"protocol":"TCP"},{"port":443}]})");
    slice("web-1", "web", R"([{"addresses":["10.244.0.7"]}])",
          R"([{"name":"http","port":8080,"protocol":"TCP"}])");
    service("dual", R"({"clusterIP":"10.96.0.21","clusterIPs":["10.96.0.21","fd00:96::21"],
                        "ports":[{"name":"http","port":80}]})");
    service("pending", R"({"ports":[{"port":80}]})");
    headless();
    external("inside", "web.shop.svc.cluster.local");
    external("away", "db.example.com");
    external("address", "10.1.2.3");
    external("lost", "none.shop.svc.cluster.local");
    external("loop", "loop.shop.svc.cluster.local");
    zone.set_synced();
  }

  void service(const std::string& name, std::string_view spec) {
    auto object = decode<kube::Service>(meta(name, {}), "spec", spec);
    auto before = services_.find(name);
    zone.apply(before == services_.end() ? nullptr : &before->second, &object);
    services_[name] = object;
  }
  void remove_service(const std::string& name) {
    zone.apply(&services_.at(name), static_cast<const kube::Service*>(nullptr));
    services_.erase(name);
  }

  void slice(const std::string& name, const std::string& service, std::string_view endpoints,
             std::string_view ports = "[]", std::string_view family = "IPv4") {
    auto json = meta(name, service);
    json["addressType"] = family;
    json["ports"] = json::parse(ports);
    auto object = decode<kube::EndpointSlice>(std::move(json), "endpoints", endpoints);
    auto before = slices_.find(name);
    zone.apply(before == slices_.end() ? nullptr : &before->second, &object);
    slices_[name] = object;
  }
  void remove_slice(const std::string& name) {
    zone.apply(&slices_.at(name), static_cast<const kube::EndpointSlice*>(nullptr));
    slices_.erase(name);
  }

  void remove_all() {
    while (!services_.empty()) remove_service(services_.begin()->first);
    while (!slices_.empty()) remove_slice(slices_.begin()->first);
    for (auto& [name, object] : namespaces_)
      zone.apply(&object, static_cast<const kube::Namespace*>(nullptr));
    namespaces_.clear();
  }

  Zone zone;

 private:
  static json::object meta(const std::string& name, const std::string& service) {
    json::object metadata{{"name", name}, {"namespace", "shop"}};
    if (!service.empty()) metadata["labels"] = json::object{{"kubernetes.io/service-name", service}};
    return {{"metadata", metadata}};
  }
  template <class T>
  static T decode(json::object object, std::string_view key, std::string_view text) {
    object[key] = json::parse(text);
    auto decoded = kube::decode<T>(object);
    if (!decoded) throw std::runtime_error(decoded.error().message);
    return *decoded;
  }
  void add_namespace(const std::string& name) {
    kube::Namespace object;
    object.metadata.name = name;
    zone.apply(nullptr, &object);
    namespaces_[name] = object;
  }
  void external(const std::string& name, const std::string& target) {
    service(name, R"({"type":"ExternalName","externalName":")" + target + "\"}");
  }
  void headless() {
    constexpr auto kSpec = R"({"clusterIP":"None","clusterIPs":["None"],"ports":[]})";
    constexpr auto kSql = R"([{"name":"sql","port":5432,"protocol":"TCP"}])";
    // A slice may come before its Service.
    slice("db-4", "db", R"([{"addresses":["10.244.0.1"],"hostname":"db-0","conditions":{"ready":true}},
                            {"addresses":["10.244.0.2"],"hostname":"twin"},
                            {"addresses":["10.244.0.3"],"hostname":"twin","conditions":{}},
                            {"addresses":["10.244.0.4"],"hostname":"db-3","conditions":{"ready":false,"serving":true}}])",
          kSql);
    service("db", kSpec);
    slice("db-6", "db", R"([{"addresses":["fd00:244::1"],"hostname":"db-0"}])", kSql, "IPv6");
    service("bare", kSpec);
    slice("bare-1", "bare", R"([{"addresses":["10.244.0.9"]}])");
    slice("bare-6", "bare", R"([{"addresses":["fd00:244::"]}])", "[]", "IPv6");
    service("second", kSpec);
    slice("second-1", "second", R"([{"addresses":["10.244.0.9"],"hostname":"nine"}])");
    service("unready", kSpec);
    slice("unready-1", "unready", R"([{"addresses":["10.244.0.5"],"conditions":{"ready":false}}])");
    service("noslices", kSpec);
  }

  std::map<std::string, kube::Service> services_;
  std::map<std::string, kube::EndpointSlice> slices_;
  std::map<std::string, kube::Namespace> namespaces_;
};

}  // namespace weft::dns
