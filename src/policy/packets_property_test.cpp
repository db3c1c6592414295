#include <gtest/gtest.h>
#include <netinet/in.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <random>

#include "policy/cut.h"
#include "policy/engine.h"
#include "policy/test_generator.h"
#include "policy/test_node.h"
#include "policy/test_oracle.h"

/// Random policies, and labels and ports of pods that stay. After each change real packets between the pods
/// have to be decided as the plan and the meaning of the objects say, and connections that go on have to end
/// when they are denied, and no sooner.
namespace weft::policy {
namespace {

using namespace test;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr int kPods = 8;
constexpr int kChanges = 60;
constexpr int kProbes = 15;  // after each
constexpr size_t kTalks = 12;
const char* const kNode = "node1";

/// A connection from one pod to another, by their numbers.
struct Path {
  size_t from, to;
  bool v6;
  uint8_t protocol;
  int port;
};

/// A TCP connection that stays.
struct Talk {
  Path path;
  Fd client, server;
};

class Cluster {
 public:
  explicit Cluster(unsigned seed) : make_(seed), engine_(node_.maps(), kNode) {
    for (size_t i = 0; i < kPods; ++i) {
      bool near = i < kPods / 2;
      places_.push_back(node_.add(fmt::format("10.0.{}.{}", near ? 0 : 1, i + 1),
                                  fmt::format("fd00:{}::{}", near ? 0 : 1, i + 1)));
      put_pod(i);
      auto [v4, v6] = addresses(i);
      good(engine_.connect(places_[i].link, {.pod = key(i), .uid = "1", .addresses = {v4, v6}}));
    }
    good(engine_.synced());
  }

  void step() {
    for (unsigned i = 1 + make_.below(3); i > 0; --i) change();
    good(engine_.apply());
    for (int link : engine_.take_narrowed()) cut(link);
    std::erase_if(talks_, [this](const Talk& talk) { return !goes_on(talk); });
    for (int i = 0; i < kProbes && !testing::Test::HasFailure(); ++i) probe();
  }

 private:
  std::string key(size_t pod) const { return fmt::format("n{}/p{}", pod % 3 + 1, pod); }
  std::pair<IpAddr, IpAddr> addresses(size_t pod) const {
    return {*IpAddr::parse(places_[pod].v4), *IpAddr::parse(places_[pod].v6)};
  }
  IpAddr address(size_t pod, bool v6) const { return v6 ? addresses(pod).second : addresses(pod).first; }
  const kube::Pod& object(size_t pod) const { return objects_.pods.at(key(pod)); }

  void put_pod(size_t i) {
    auto pod = make_.pod();
    pod.metadata.namespace_ = fmt::format("n{}", i % 3 + 1);
    pod.metadata.name = fmt::format("p{}", i);
    pod.metadata.uid = "1";
    pod.metadata.deletionTimestamp.reset();
    pod.spec.nodeName = kNode;
    pod.spec.hostNetwork = false;
    pod.status.phase = "Running";
    pod.status.podIP = addresses(i).first.str();
    pod.status.podIPs.clear();
    for (bool v6 : {false, true}) pod.status.podIPs.emplace_back().ip = address(i, v6).str();
    engine_.plan().put(pod);
    objects_.pods.insert_or_assign(key(i), std::move(pod));
  }

  template <class T>
  void put_or_erase(std::map<std::string, T>& known, T object) {
    const auto& metadata = object.metadata;
    auto name = metadata.namespace_.empty() ? metadata.name : metadata.namespace_ + "/" + metadata.name;
    if (make_.one_in(3)) {
      engine_.plan().erase(object);
      known.erase(name);
    } else {
      engine_.plan().put(object);
      known.insert_or_assign(name, std::move(object));
    }
  }

  void change() {
    switch (make_.below(10)) {
      case 0:
        return put_or_erase(objects_.namespaces, make_.space());
      case 1:
        return put_or_erase(objects_.nodes, make_.node());
      case 2:
      case 3:
        return put_or_erase(objects_.cluster_policies, make_.cluster_policy());
      case 4:
      case 5:
      case 6:
        return put_or_erase(objects_.policies, make_.policy());
      default:
        return put_pod(make_.below(kPods));
    }
  }

  /// As the controller does; the node translates nothing.
  void cut(int link) {
    auto untranslated = [](const auto&) { return std::nullopt; };
    for (size_t i = 0; i < kPods; ++i) {
      if (places_[i].link == link)
        good(cut_denied(engine_.plan(), key(i), places_[i].netns.fd(), untranslated));
    }
  }

  bool allowed(const Path& path) const {
    Oracle oracle(objects_);
    return oracle.allows(object(path.from), false, address(path.to, path.v6), path.protocol, path.port) &&
           oracle.allows(object(path.to), true, address(path.from, path.v6), path.protocol, path.port);
  }

  Path any_path() {
    Path out{.from = make_.below(kPods),
             .to = make_.below(kPods - 1),
             .v6 = make_.one_in(2),
             .protocol = 0,
             .port = 0};
    if (out.to >= out.from) ++out.to;
    out.protocol = make_.one_in(2) ? IPPROTO_TCP : IPPROTO_UDP;
    out.port = 1 + static_cast<int>(make_.below(kPorts));
    return out;
  }

  std::string text(const Path& path) const {
    return fmt::format("{} to {} ({}), {} port {}", key(path.from), key(path.to),
                       address(path.to, path.v6).str(), path.protocol == IPPROTO_TCP ? "TCP" : "UDP",
                       path.port);
  }

  void probe() {
    auto path = any_path();
    bool wanted = allowed(path);
    auto planned = engine_.plan().evaluate({key(path.from), address(path.from, path.v6)},
                                           {key(path.to), address(path.to, path.v6)}, path.protocol,
                                           static_cast<uint16_t>(path.port));
    ASSERT_TRUE(planned) << planned.error().message;
    EXPECT_EQ(planned->allowed, wanted) << text(path) << ": the plan says " << planned->why;
    auto got = path.protocol == IPPROTO_TCP ? connects(path) : answers(path);
    EXPECT_EQ(got, std::optional(wanted)) << text(path) << ": packets; the plan says " << planned->why;
  }

  /// True: it arrived; false: it was denied; nothing: neither, for long.
  std::optional<bool> outcome(uint64_t denied_before, const std::function<bool()>& arrived) const {
    for (auto end = Clock::now() + 5s; Clock::now() < end; usleep(100)) {
      if (arrived()) return true;
      if (node_.denied() == denied_before) continue;
      // Another packet may have been.
      usleep(500);
      return arrived();
    }
    return std::nullopt;
  }

  std::optional<bool> connects(const Path& path) {
    auto before = node_.denied();
    Fd client = places_[path.from].make_socket(SOCK_STREAM);
    auto to = socket_address(address(path.to, path.v6).str(), path.port);
    connect(client.get(), generic(to), sizeof to);
    Fd server;
    auto arrived = [&] {
      server.reset(accept4(places_[path.to].tcp[static_cast<size_t>(path.port - 1)].get(), nullptr, nullptr,
                           SOCK_NONBLOCK | SOCK_CLOEXEC));
      return static_cast<bool>(server);
    };
    auto out = outcome(before, arrived);
    if (out == true && talks_.size() < kTalks) talks_.push_back({path, std::move(client), std::move(server)});
    return out;
  }

  std::optional<bool> answers(const Path& path) const {
    auto before = node_.denied();
    Fd client = places_[path.from].make_socket(SOCK_DGRAM);
    auto to = socket_address(address(path.to, path.v6).str(), path.port);
    require(connect(client.get(), generic(to), sizeof to) == 0 && send(client.get(), "?", 1, 0) == 1, "send");
    int server = places_[path.to].udp[static_cast<size_t>(path.port - 1)].get();
    char byte = 0;
    sockaddr_in6 from{};
    socklen_t size = sizeof from;
    auto asked = [&] {
      return recvfrom(server, &byte, 1, 0, reinterpret_cast<sockaddr*>(&from), &size) == 1;
    };
    auto out = outcome(before, asked);
    if (out != true) return out;
    require(sendto(server, "!", 1, 0, generic(from), size) == 1, "answer");
    return outcome(before, [&] { return recv(client.get(), &byte, 1, 0) == 1; });
  }

  /// Whether the connection goes on, which is checked.
  bool goes_on(const Talk& talk) {
    if (!allowed(talk.path)) {
      EXPECT_TRUE(ends(talk.client) && ends(talk.server)) << text(talk.path) << ": is denied, and goes on";
      return false;
    }
    char byte = 0;
    bool works = send(talk.client.get(), "x", 1, MSG_NOSIGNAL) == 1 && wait(talk.server, POLLIN) &&
                 recv(talk.server.get(), &byte, 1, 0) == 1;
    EXPECT_TRUE(works) << text(talk.path) << ": is allowed, and does not go on";
    return works;
  }
  static bool wait(const Fd& fd, short what) {
    pollfd one{fd.get(), what, 0};
    return poll(&one, 1, 5'000) == 1;
  }
  static bool ends(const Fd& fd) {
    char byte = 0;
    return wait(fd, POLLIN) && recv(fd.get(), &byte, 1, 0) <= 0;
  }

  Generator make_;
  TestNode node_;
  std::vector<NodePod> places_;
  Objects objects_;
  PolicyEngine engine_;
  std::vector<Talk> talks_;
};

/// WEFT_SEED=n repeats a run.
TEST(PacketsProperty, AreDecidedAsTheObjectsMean) {
  const char* given = std::getenv("WEFT_SEED");
  unsigned seed = given ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : std::random_device()();
  std::printf("WEFT_SEED=%u\n", seed);
  Cluster cluster(seed);
  for (int i = 0; i < kChanges && !HasFailure(); ++i) {
    SCOPED_TRACE(fmt::format("WEFT_SEED={}, change {}", seed, i));
    cluster.step();
  }
}

}  // namespace
}  // namespace weft::policy
