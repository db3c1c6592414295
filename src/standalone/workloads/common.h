#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kube/apps.h"
#include "kube/pod.h"
#include "kube/selector.h"

/// What the workload plans share: how pods are judged, owned and made. Pure.
namespace weft::standalone {

using PodPtr = std::shared_ptr<const kube::Pod>;
using PodList = std::vector<PodPtr>;
using Seconds = int64_t;  ///< since 1970, UTC

/// What a plan cannot know by itself.
struct PlanContext {
  Seconds now = 0;
  /// Five random characters for a new pod's name.
  std::function<std::string()> suffix;
};

/// Something worth telling the user: becomes an Event about the owner.
struct Note {
  std::string type = "Normal";  ///< or Warning
  std::string reason;
  std::string message;
};

/// What is to be done to the pods of one owner.
struct PodChanges {
  std::vector<kube::Pod> create;
  PodList remove;
  std::vector<Note> notes;
  /// When the plan would come out differently although no object changes (minReadySeconds, deadlines).
  std::optional<Seconds> look_again;
};

std::string format_time(Seconds time);
std::optional<Seconds> parse_time(std::string_view text);

/// The reference that makes an object its controller's, or nullptr.
const kube::OwnerReference* controller_of(const kube::ObjectMeta& meta);
bool is_controlled_by(const kube::ObjectMeta& meta, const std::string& uid);
kube::OwnerReference controller_reference(std::string_view api_version, std::string_view kind,
                                          const kube::ObjectMeta& meta);

/// Neither finished nor on its way out.
bool is_active(const kube::Pod& pod);
bool is_ready(const kube::Pod& pod);
/// Ready for at least `min_ready_seconds`. When only time is missing, `look_again` is brought forward to that
/// moment.
bool is_available(const kube::Pod& pod, int min_ready_seconds, Seconds now,
                  std::optional<Seconds>& look_again);
/// Keeps the earlier of two moments.
void sooner(std::optional<Seconds>& at, Seconds candidate);

/// A pod as the template says, in `ns`, controlled by `owner`. It has no name yet.
kube::Pod pod_of(const kube::PodTemplateSpec& tmpl, const std::string& ns, kube::OwnerReference owner);

/// A short name for a JSON value, of the letters that Kubernetes uses for hashes in names (no vowels: no
/// words).
std::string short_hash(const json::value& value, int collisions);

/// "30%" of `total` or a number; percentages rounded up or down.
int resolve_percent(const kube::IntOrString& value, int total, bool round_up);

/// Which objects an owner takes and gives up, by Kubernetes' rules: it adopts those without a controller that
/// its selector matches, and releases its own when the selector does not match any more. Objects being
/// deleted are not adopted, and an owner that is being deleted adopts nothing.
template <class T>
struct Claims {
  std::vector<std::shared_ptr<const T>> owned;  ///< after adoption and release
  std::vector<std::shared_ptr<const T>> adopt;
  std::vector<std::shared_ptr<const T>> release;
};
template <class T>
Claims<T> claim(const kube::ObjectMeta& owner, const kube::Selector& selector,
                const std::vector<std::shared_ptr<const T>>& candidates) {
  Claims<T> out;
  for (const auto& candidate : candidates) {
    const bool matches = selector.matches(candidate->metadata.labels);
    const kube::OwnerReference* controller = controller_of(candidate->metadata);
    if (controller) {
      if (controller->uid != owner.uid) continue;
      if (matches || owner.deletionTimestamp) {
        out.owned.push_back(candidate);
      } else {
        out.release.push_back(candidate);
      }
    } else if (matches && !owner.deletionTimestamp && !candidate->metadata.deletionTimestamp) {
      out.adopt.push_back(candidate);
      out.owned.push_back(candidate);
    }
  }
  return out;
}

}  // namespace weft::standalone
