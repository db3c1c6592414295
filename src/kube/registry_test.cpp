#include "kube/registry.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace weft::kube {
namespace {

const Schema& schema(std::string_view group, std::string_view plural) {
  return *find_builtin(group, plural)->schema;
}

/// The schema of a field below another: "spec.ports" goes into lists by itself.
const Schema* below(const Schema& from, std::string_view path) {
  const Schema* at = &from;
  while (!path.empty()) {
    auto dot = path.find('.');
    while (at->type == Schema::Type::array) at = at->items.get();
    const auto* field = at->find(path.substr(0, dot));
    if (!field) return nullptr;
    at = field->schema.get();
    path = dot == std::string_view::npos ? std::string_view{} : path.substr(dot + 1);
  }
  return at;
}

/// Everything reachable is complete: a type that is an object has fields or says that it keeps what it does
/// not know.
void check(const Schema& schema, const std::string& where, std::set<const Schema*>& seen) {
  if (!seen.insert(&schema).second) return;
  switch (schema.type) {
    case Schema::Type::object:
      EXPECT_FALSE(schema.ref_name.empty()) << where;
      for (const auto& field : schema.fields) {
        ASSERT_TRUE(field.schema) << where << "." << field.name;
        check(*field.schema, where + "." + field.name, seen);
      }
      break;
    case Schema::Type::array:
    case Schema::Type::map:
      ASSERT_TRUE(schema.items) << where;
      check(*schema.items, where + "[]", seen);
      for (const auto& key : schema.list_keys)
        EXPECT_TRUE(schema.items->find(key)) << where << " key " << key;
      if (!schema.patch_merge_key.empty()) {
        EXPECT_TRUE(schema.items->find(schema.patch_merge_key))
            << where << " merge key " << schema.patch_merge_key;
      }
      break;
    default:
      break;
  }
}

TEST(Registry, EachKindIsComplete) {
  std::set<std::string> names;
  std::set<const Schema*> seen;
  for (const auto& kind : builtin_kinds()) {
    EXPECT_TRUE(names.insert(kind.resource.api_version() + "/" + kind.resource.kind).second)
        << kind.resource.kind;
    EXPECT_TRUE(kind.schema->find("metadata")) << kind.resource.kind;
    EXPECT_TRUE(kind.schema->find("apiVersion")) << kind.resource.kind;
    check(*kind.schema, kind.resource.kind, seen);
  }
  EXPECT_GT(seen.size(), 300U);
}

TEST(Registry, NamesAndSubresourcesAreThoseOfUpstream) {
  const auto* deployments = find_builtin("apps", "deployments");
  ASSERT_TRUE(deployments);
  EXPECT_EQ(deployments->resource.short_names, std::vector<std::string>{"deploy"});
  EXPECT_EQ(deployments->resource.categories, std::vector<std::string>{"all"});
  EXPECT_TRUE(deployments->has_status && deployments->has_scale);
  EXPECT_EQ(deployments->schema->ref_name, "io.k8s.api.apps.v1.Deployment");
  EXPECT_EQ(deployments->resource.collection_path("shop"), "/apis/apps/v1/namespaces/shop/deployments");
  EXPECT_FALSE(find_builtin("", "configmaps")->has_status);
  EXPECT_EQ(find_builtin("", "nodes")->resource.object_path("ignored", "n1"), "/api/v1/nodes/n1");
  EXPECT_FALSE(find_builtin("", "nothing"));
}

TEST(Registry, ListsMergeAsUpstreamMergesThem) {
  const auto* ports = below(schema("", "services"), "spec.ports");
  EXPECT_EQ(ports->list_type, Schema::ListType::map);
  EXPECT_EQ(ports->list_keys, (std::vector<std::string>{"port", "protocol"}));
  EXPECT_EQ(ports->patch_merge_key, "port");
  EXPECT_EQ(*ports->items->find("protocol")->default_value, "TCP");

  const auto* volumes = below(schema("", "pods"), "spec.volumes");
  EXPECT_TRUE(volumes->patch_merge && volumes->patch_retain_keys);
  const auto* mounts = below(schema("apps", "deployments"), "spec.template.spec.containers.volumeMounts");
  EXPECT_EQ(mounts->patch_merge_key, "mountPath");
  EXPECT_TRUE(below(schema("apps", "deployments"), "spec.strategy")->patch_retain_keys);
  EXPECT_TRUE(below(schema("", "services"), "spec.selector")->map_atomic);
  EXPECT_TRUE(below(schema("", "services"), "metadata.finalizers")->patch_merge);
}

TEST(Registry, FieldsWeftNeverReadsAreKnown) {
  for (auto path :
       {"metadata.managedFields.fieldsV1",
        "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution.labelSelector",
        "spec.volumes.csi.volumeAttributes",
        "spec.volumes.ephemeral.volumeClaimTemplate.spec.resources.requests",
        "spec.topologySpreadConstraints.whenUnsatisfiable",
        "spec.containers.securityContext.seccompProfile.type", "spec.ephemeralContainers.targetContainerName",
        "spec.containers.resizePolicy.resourceName", "status.resourceClaimStatuses.name",
        "status.containerStatuses.state.terminated.exitCode"}) {
    EXPECT_TRUE(below(schema("", "pods"), path)) << path;
  }
  EXPECT_TRUE(below(schema("apps", "statefulsets"), "spec.volumeClaimTemplates.apiVersion"));
  EXPECT_FALSE(below(schema("", "pods"), "spec.contaniers"));
  EXPECT_EQ(below(schema("", "pods"), "spec.containers.resources.limits")->items->format, "quantity");
  EXPECT_EQ(below(schema("", "pods"), "metadata.creationTimestamp")->format, "date-time");
}

}  // namespace
}  // namespace weft::kube
