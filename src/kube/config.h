#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kube/meta.h"
#include "kube/reference.h"

/// Namespace, ConfigMap, Secret, ServiceAccount, Event (core/v1) and Lease (coordination.k8s.io/v1).
namespace weft::kube {

struct NamespaceSpec : Described {
  std::vector<std::string> finalizers;
  bool operator==(const NamespaceSpec&) const = default;
};

struct NamespaceCondition : Described {
  std::string type;
  std::string status;
  Time lastTransitionTime;
  std::string reason;
  std::string message;
  bool operator==(const NamespaceCondition&) const = default;
};

struct NamespaceStatus : Described {
  std::string phase;  ///< Active, Terminating
  std::vector<NamespaceCondition> conditions;
  bool operator==(const NamespaceStatus&) const = default;
};

/// A scope for names.
struct Namespace : Described {
  ObjectMeta metadata;
  NamespaceSpec spec;
  NamespaceStatus status;
  bool operator==(const Namespace&) const = default;
};

/// Plain settings for pods.
struct ConfigMap : Described {
  ObjectMeta metadata;
  std::optional<bool> immutable;
  StringMap data;
  StringMap binaryData;  ///< base64
  bool operator==(const ConfigMap&) const = default;
};

/// Settings that are not for everyone.
struct Secret : Described {
  ObjectMeta metadata;
  std::optional<bool> immutable;
  StringMap data;  ///< base64
  StringMap stringData;
  std::string type;
  bool operator==(const Secret&) const = default;
};

/// Who a pod is to the API.
struct ServiceAccount : Described {
  ObjectMeta metadata;
  std::vector<ObjectReference> secrets;
  std::vector<LocalObjectReference> imagePullSecrets;
  std::optional<bool> automountServiceAccountToken;
  bool operator==(const ServiceAccount&) const = default;
};

struct EventSource : Described {
  std::string component;
  std::string host;
  bool operator==(const EventSource&) const = default;
};

struct EventSeries : Described {
  int32_t count = 0;
  Time lastObservedTime;
  bool operator==(const EventSeries&) const = default;
};

/// Something that happened to an object.
struct Event : Described {
  ObjectMeta metadata;
  ObjectReference involvedObject;
  std::string reason;
  std::string message;
  EventSource source;
  Time firstTimestamp;
  Time lastTimestamp;
  int32_t count = 0;
  std::string type;
  Time eventTime;
  std::optional<EventSeries> series;
  std::string action;
  std::optional<ObjectReference> related;
  std::string reportingComponent;
  std::string reportingInstance;
  bool operator==(const Event&) const = default;
};

struct LeaseSpec : Described {
  std::optional<std::string> holderIdentity;
  std::optional<int32_t> leaseDurationSeconds;
  std::optional<Time> acquireTime;
  std::optional<Time> renewTime;
  std::optional<int32_t> leaseTransitions;
  std::optional<std::string> strategy;
  std::optional<std::string> preferredHolder;
  bool operator==(const LeaseSpec&) const = default;
};

/// Who holds a role, and until when.
struct Lease : Described {
  ObjectMeta metadata;
  LeaseSpec spec;
  bool operator==(const Lease&) const = default;
};

}  // namespace weft::kube
