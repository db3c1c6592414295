#include "policy/objects.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "kube/apps.h"
#include "kube/codec.h"
#include "kube/resource.h"

namespace weft::policy {
namespace {

constexpr const char* kNamespaceName = "kubernetes.io/metadata.name";

template <class T>
Expected<T> decoded(const kube::YamlDocument& document) {
  auto object = kube::decode<T>(document.value);
  if (!object)
    return fail(ErrorCode::invalid,
                fmt::format("{}:{}: {}", document.file, document.line, object.error().message));
  if constexpr (requires { object->metadata; }) {
    auto& meta = object->metadata;
    if (meta.namespace_.empty() && kube::resource_of<T>().namespaced) meta.namespace_ = "default";
  }
  return object;
}

/// Manifests on their way to what a cluster has of them.
class Reader {
 public:
  Expected<void> add(const kube::YamlDocument& document) {
    auto kind = kube::string_at(document.value, "kind");
    if (kind == "Pod") return add_pod(document);
    if (kind == "Namespace") return add_to(out_.namespaces, document);
    if (kind == "Node") return add_to(out_.nodes, document);
    if (kind == "NetworkPolicy") return add_to(out_.policies, document);
    if (kind == "ClusterNetworkPolicy") return add_to(out_.cluster_policies, document);
    if (kind == "Deployment") return add_replicated<kube::Deployment>(document);
    if (kind == "ReplicaSet") return add_replicated<kube::ReplicaSet>(document);
    if (kind == "StatefulSet") return add_replicated<kube::StatefulSet>(document);
    if (kind == "DaemonSet") return add_workload<kube::DaemonSet>(document, 2);
    if (kind == "Job") return add_workload<kube::Job>(document, 1);
    if (kind == "CronJob") return add_cron_job(document);
    return {};
  }

  PolicyObjects finish() {
    std::set<std::string> named;
    for (auto& pod : out_.pods) named.insert(pod.metadata.namespace_);
    for (const auto& namespace_ : out_.namespaces) named.erase(namespace_.metadata.name);
    for (const auto& name : named) out_.namespaces.emplace_back().metadata.name = name;
    for (auto& namespace_ : out_.namespaces)
      namespace_.metadata.labels[kNamespaceName] = namespace_.metadata.name;
    return std::move(out_);
  }

 private:
  template <class T>
  static Expected<void> add_to(std::vector<T>& list, const kube::YamlDocument& document) {
    WEFT_TRY(auto object, decoded<T>(document));
    list.push_back(std::move(object));
    return {};
  }

  Expected<void> add_pod(const kube::YamlDocument& document) {
    WEFT_TRY(auto pod, decoded<kube::Pod>(document));
    put(std::move(pod));
    return {};
  }

  template <class T>
  Expected<void> add_replicated(const kube::YamlDocument& document) {
    WEFT_TRY(auto object, decoded<T>(document));
    add_pods(object, object.spec.replicas.value_or(1));
    return {};
  }

  template <class T>
  Expected<void> add_workload(const kube::YamlDocument& document, int pods) {
    WEFT_TRY(auto object, decoded<T>(document));
    add_pods(object, pods);
    return {};
  }

  /// It stands for a Job of its template that runs.
  Expected<void> add_cron_job(const kube::YamlDocument& document) {
    auto job = document;
    auto& object = job.value.as_object();
    object["kind"] = "Job";
    const auto* spec = kube::at_path(document.value, "spec.jobTemplate.spec");
    object["spec"] = spec ? *spec : json::value(json::object());
    return add_workload<kube::Job>(job, 1);
  }

  template <class T>
  void add_pods(const T& owner, int replicas) {
    for (int i = 0; i < std::min(replicas, 2); ++i) {
      kube::Pod pod;
      pod.metadata = owner.spec.template_.metadata;
      pod.metadata.namespace_ = owner.metadata.namespace_;
      pod.metadata.name = fmt::format("{}-{}", owner.metadata.name, i);
      kube::OwnerReference reference;
      reference.kind = kube::resource_of<T>().kind;
      reference.name = owner.metadata.name;
      reference.controller = true;
      pod.metadata.ownerReferences = {std::move(reference)};
      pod.spec = owner.spec.template_.spec;
      put(std::move(pod));
    }
  }

  /// What is not known of a pod that does not run yet.
  void put(kube::Pod pod) {
    ++count_;
    pod.metadata.uid = fmt::format("{}", count_);
    pod.status = {};
    pod.status.podIP = fmt::format("10.{}.{}.{}", 244 + (count_ >> 16), count_ >> 8 & 255, count_ & 255);
    pod.status.podIPs.emplace_back().ip = pod.status.podIP;
    out_.pods.push_back(std::move(pod));
  }

  PolicyObjects out_;
  unsigned count_ = 0;
};

}  // namespace

void fill(PolicyPlan& plan, const PolicyObjects& objects) {
  for (const auto& object : objects.nodes) plan.put(object);
  for (const auto& object : objects.namespaces) plan.put(object);
  for (const auto& object : objects.pods) plan.put(object);
  for (const auto& object : objects.policies) plan.put(object);
  for (const auto& object : objects.cluster_policies) plan.put(object);
  for (const auto& object : objects.dns) plan.put(object);
  plan.take_changes();
}

Expected<PolicyObjects> objects_of(const std::vector<kube::YamlDocument>& manifests) {
  Reader reader;
  for (const auto& document : manifests) WEFT_CHECK(reader.add(document));
  return reader.finish();
}

}  // namespace weft::policy
