#pragma once

#include <memory>
#include <string>

#include "kube/client/client.h"
#include "kube/meta.h"
#include "kube/reference.h"

namespace weft::kube {

/// The reference an Event or an endpoint's targetRef has to an object.
ObjectReference reference_to(const ResourceInfo& resource, const ObjectMeta& meta);

/// Tells people about objects through core/v1 Events, in the background: nothing waits for it and nothing
/// fails with it. The same event again raises `count` of the first; an object that causes more than 25
/// different ones gets one more each 5 minutes, as with client-go.
class EventRecorder {
 public:
  enum class Type { normal, warning };

  /// `component`: who tells, "endpoint-slice-controller"; `host`: the node it runs on, may be empty.
  EventRecorder(Client& client, std::string component, std::string host = {});
  ~EventRecorder();
  EventRecorder(const EventRecorder&) = delete;
  EventRecorder& operator=(const EventRecorder&) = delete;

  /// `reason`: UpperCamelCase, for machines; `message`: one line for people.
  void record(const ObjectReference& about, Type type, std::string reason, std::string message);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace weft::kube
