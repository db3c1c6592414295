#include "standalone/workloads/revisions.h"

#include <algorithm>

#include "kube/json.h"

namespace weft::standalone {

RevisionPlan plan_revision(const json::value& encoded_owner, const kube::ObjectMeta& owner,
                           std::string_view owner_kind, const kube::StringMap& labels,
                           const RevisionList& revisions, int collisions) {
  const json::value* found = kube::at_path(encoded_owner, "spec.template");
  json::object tmpl = found && found->is_object() ? found->as_object() : json::object{};
  tmpl["$patch"] = "replace";
  json::value data = json::object{{"spec", json::object{{"template", tmpl}}}};
  const std::string hash = short_hash(data, collisions);
  const std::string name = owner.name + "-" + hash;

  int64_t highest = 0;
  RevisionPtr same;
  for (const auto& revision : revisions) {
    highest = std::max(highest, revision->revision);
    if (revision->metadata.name == name || revision->data == data) same = revision;
  }
  RevisionPlan plan;
  if (same) {
    plan.present = *same;
    plan.renumber = same->revision < highest;
    if (plan.renumber) plan.present.revision = highest + 1;
    return plan;
  }
  plan.create = true;
  plan.present.metadata.name = name;
  plan.present.metadata.namespace_ = owner.namespace_;
  plan.present.metadata.labels = labels;
  plan.present.metadata.labels[kRevisionHashLabel] = hash;
  plan.present.metadata.ownerReferences.push_back(controller_reference("apps/v1", owner_kind, owner));
  plan.present.data = std::move(data);
  plan.present.revision = highest + 1;
  return plan;
}

RevisionList old_revisions(const RevisionList& revisions, int limit,
                           const std::function<bool(const std::string&)>& in_use) {
  RevisionList idle;
  for (const auto& revision : revisions) {
    if (!in_use(revision->metadata.name)) idle.push_back(revision);
  }
  std::ranges::sort(idle, {}, [](const RevisionPtr& revision) { return revision->revision; });
  size_t keep = static_cast<size_t>(std::max(0, limit));
  idle.resize(idle.size() > keep ? idle.size() - keep : 0);
  return idle;
}

std::string revision_hash(const kube::ControllerRevision& revision) {
  auto it = revision.metadata.labels.find(kRevisionHashLabel);
  return it == revision.metadata.labels.end() ? std::string{} : it->second;
}

}  // namespace weft::standalone
