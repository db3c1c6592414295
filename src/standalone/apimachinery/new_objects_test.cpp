#include "standalone/apimachinery/new_objects.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kube/json.h"

namespace weft::standalone {
namespace {

using testing::HasSubstr;

class NewObjectsTest : public testing::Test {
 protected:
  /// The completed object; null if it was refused, with the words in `refused_`.
  json::value complete(const char* text) {
    auto object = json::parse(text);
    auto done = objects_.complete(object);
    refused_ = done ? "" : done.error().message;
    return done ? object : json::value();
  }

  NewObjects objects_{{.cluster_ips = {*IpPrefix::parse("10.96.0.0/16"), *IpPrefix::parse("fd00:96::/112")}}};
  std::string refused_;
};

TEST_F(NewObjectsTest, AServiceGetsDefaultsAndAddressesInOrder) {
  auto first = complete(
      R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},"spec":{"ports":[{"port":80}]}})");
  EXPECT_EQ(kube::string_at(first, "metadata.namespace"), "default");
  EXPECT_EQ(kube::string_at(first, "spec.type"), "ClusterIP");
  EXPECT_EQ(kube::string_at(first, "spec.clusterIP"), "10.96.1.1");
  EXPECT_EQ(first.at("spec").at("ports").at(0).at("protocol"), "TCP");
  auto second = complete(
      R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"b"},
          "spec":{"ipFamilyPolicy":"PreferDualStack","ports":[{"port":80}]}})");
  EXPECT_EQ(second.at("spec").at("clusterIPs"), (json::array{"10.96.1.2", "fd00:96::101"}));
}

TEST_F(NewObjectsTest, AddressesThatAreAskedForAreKept) {
  auto own = complete(
      R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},"spec":{"clusterIP":"10.96.0.7","ports":[{"port":80}]}})");
  EXPECT_EQ(own.at("spec").at("clusterIPs"), json::array{"10.96.0.7"});
  complete(
      R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"b"},"spec":{"clusterIP":"10.96.0.7","ports":[{"port":80}]}})");
  EXPECT_THAT(refused_, HasSubstr("already allocated"));
  auto elsewhere = complete(
      R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"c"},"spec":{"clusterIP":"10.43.0.7","ports":[{"port":80}]}})");
  EXPECT_EQ(kube::string_at(elsewhere, "spec.clusterIP"), "10.43.0.7")
      << "of another cluster's range: " << refused_;
  auto headless = complete(
      R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"d"},"spec":{"clusterIP":"None","ports":[{"port":80}]}})");
  EXPECT_EQ(kube::string_at(headless, "spec.clusterIP"), "None");
}

TEST_F(NewObjectsTest, WhatALaterOneAsksForIsNotGivenToAnEarlierOne) {
  auto later = json::parse(
      R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"later"},
          "spec":{"type":"NodePort","clusterIP":"10.96.1.1","ports":[{"port":80,"nodePort":30086}]}})");
  objects_.keep(later);
  auto earlier = complete(
      R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"earlier"},"spec":{"type":"NodePort",
          "ports":[{"name":"a","port":80},{"name":"b","port":81}]}})");
  EXPECT_EQ(kube::string_at(earlier, "spec.clusterIP"), "10.96.1.2");
  EXPECT_EQ(earlier.at("spec").at("ports").at(0).at("nodePort"), 30087);
  EXPECT_EQ(earlier.at("spec").at("ports").at(1).at("nodePort"), 30088);
  ASSERT_TRUE(objects_.complete(later));
  EXPECT_EQ(later.at("spec").at("ports").at(0).at("nodePort"), 30086);
}

TEST_F(NewObjectsTest, AStatusStays) {
  auto pod = complete(
      R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},
          "spec":{"containers":[{"name":"c","image":"i","ports":[{"containerPort":1}]}]},
          "status":{"phase":"Running","podIP":"10.0.0.1"}})");
  EXPECT_EQ(kube::string_at(pod, "status.podIP"), "10.0.0.1") << refused_;
  EXPECT_EQ(kube::string_at(pod, "spec.dnsPolicy"), "ClusterFirst");
}

TEST_F(NewObjectsTest, WhatAServerRefusesIsRefusedInItsWords) {
  complete(
      R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},"spec":{"ports":[{"port":70000}]}})");
  EXPECT_THAT(refused_, HasSubstr("spec.ports[0].port: Invalid value: 70000"));
  complete(R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},"spec":{"ports":[{"port":"x"}]}})");
  EXPECT_THAT(refused_, HasSubstr("spec.ports.port of type int32"));
}

TEST_F(NewObjectsTest, ACronJobIsTakenByItsJobs) {
  auto job = complete(
      R"({"apiVersion":"batch/v1","kind":"CronJob","metadata":{"name":"a"},"spec":{"schedule":"* * * * *","jobTemplate":
          {"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}}}})");
  EXPECT_EQ(kube::string_at(job, "metadata.namespace"), "default") << refused_;
  EXPECT_EQ(kube::string_at(job, "spec.schedule"), "* * * * *");
  EXPECT_EQ(kube::string_at(job, "spec.jobTemplate.spec.template.spec.dnsPolicy"), "ClusterFirst");
  complete(
      R"({"apiVersion":"batch/v1","kind":"CronJob","metadata":{"name":"a"},"spec":{"jobTemplate":
          {"spec":{"template":{"spec":{"restartPolicy":"Never"}}}}}})");
  EXPECT_THAT(refused_, HasSubstr("spec.jobTemplate.spec.template.spec.containers: Required value"));
  complete(R"({"apiVersion":"batch/v1","kind":"CronJob","metadata":{"name":"A"},"spec":3})");
  EXPECT_THAT(refused_, HasSubstr("metadata.name: Invalid value"));
}

TEST_F(NewObjectsTest, KindsOfOthersAreLeftAlone) {
  auto object = complete(R"({"apiVersion":"example.com/v1","kind":"Service","spec":{"ports":"none"}})");
  EXPECT_EQ(object,
            json::parse(R"({"apiVersion":"example.com/v1","kind":"Service","spec":{"ports":"none"}})"));
}

}  // namespace
}  // namespace weft::standalone
