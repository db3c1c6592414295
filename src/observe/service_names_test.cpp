#include "observe/service_names.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

namespace weft::observe {
namespace {

std::shared_ptr<kube::Service> service(const std::string& name, std::vector<std::string> addresses) {
  auto out = std::make_shared<kube::Service>();
  out->metadata.namespace_ = "shop";
  out->metadata.name = name;
  out->spec.clusterIPs = std::move(addresses);
  out->spec.ports.emplace_back();
  out->spec.ports[0].port = 80;
  out->spec.ports[0].protocol = "TCP";
  return out;
}

TEST(ServiceNames, AllAddressesOfAService) {
  auto web = service("web", {"10.96.0.7", "fd00:96::7"});
  web->spec.externalIPs = {"198.51.100.7"};
  web->status.loadBalancer.ingress.emplace_back().ip = "198.51.100.8";
  web->spec.ports[0].nodePort = 30080;
  ServiceNames names;
  names.service_changed(nullptr, web);
  for (const char* address : {"10.96.0.7", "fd00:96::7", "198.51.100.7", "198.51.100.8"})
    EXPECT_EQ(names.find(*IpAddr::parse(address), 80, IPPROTO_TCP), "shop/web") << address;
  EXPECT_EQ(names.find(*IpAddr::parse("172.30.0.2"), 30080, IPPROTO_TCP), "shop/web");
  EXPECT_EQ(names.find(*IpAddr::parse("10.96.0.7"), 80, IPPROTO_UDP), "");
  EXPECT_EQ(names.find(*IpAddr::parse("10.96.0.7"), 81, IPPROTO_TCP), "");
}

TEST(ServiceNames, WhatChangesAndGoes) {
  auto web = service("web", {"10.96.0.7"}), moved = service("web", {"10.96.0.8"});
  ServiceNames names;
  names.service_changed(nullptr, web);
  names.service_changed(web, moved);
  EXPECT_EQ(names.find(*IpAddr::parse("10.96.0.7"), 80, IPPROTO_TCP), "");
  EXPECT_EQ(names.find(*IpAddr::parse("10.96.0.8"), 80, IPPROTO_TCP), "shop/web");
  names.service_changed(moved, nullptr);
  EXPECT_EQ(names.find(*IpAddr::parse("10.96.0.8"), 80, IPPROTO_TCP), "");
  names.service_changed(nullptr, service("headless", {"None"}));
}

}  // namespace
}  // namespace weft::observe
