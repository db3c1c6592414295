#include "pod.h"

#include <numeric>

#include "api.h"

namespace weft::bench {

namespace {

kube::Service service_of(int n) {
  kube::Service out;
  out.metadata.name = MadeUpApi::name_of(n);
  out.metadata.namespace_ = MadeUpApi::kNamespace;
  // The first is headless.
  out.spec.clusterIP = n == 0 ? "None" : MadeUpApi::address_of(n);
  out.spec.clusterIPs = {out.spec.clusterIP};
  return out;
}

}  // namespace

DnsPod::DnsPod(const World& world, const std::string& folder, int services)
    : services_(services),
      socket_(folder + "/agent.sock"),
      node_(world, {node_object("node-1", {kNode}, {"10.244.0.0/24"})}),
      pod_(add_pod(world, "pod-asks", "10.244.0.2")) {
  shell(std::string("ip addr replace ") + kNode + "/32 dev lo");
  node_.sync();
  node_.attach();
  answers_ = std::make_unique<dns::LinkAnswers>(
      node_.edge().edge().dns(), std::vector{*IpAddr::parse(kNode)},
      [this](const std::function<void(const kube::Service&)>& each) { every_service(each); });
  server_ = must(policy::DomainServer::listen(
      io_, {.socket = socket_,
            .on_answer = [](const auto&, auto in_force) { in_force(); },
            .on_serving = [this](const domain_feed::Serving* server) { return answers_->serving(server); }}));
  server_->ask_for({});
  thread_ = std::thread([this] { io_.run(); });
}

DnsPod::~DnsPod() {
  io_.stop();
  thread_.join();
}

uint64_t DnsPod::answers() const {
  const auto counts = must(node_.edge().edge().dns().answers());
  return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
}

void DnsPod::every_service(const std::function<void(const kube::Service&)>& each) const {
  for (int n = 0; n < services_; ++n) each(service_of(n));
}

}  // namespace weft::bench
