#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "kube/json.h"

namespace weft::kube {

/// Base of every described object: the fields it was read with that its type does not know.
struct Described {
  json::object unknown;
  bool operator==(const Described&) const = default;
};

using StringMap = std::map<std::string, std::string>;
/// A moment as the API writes it, RFC 3339 in UTC: "2026-01-02T03:04:05Z" (Time) or with six decimals
/// (MicroTime).
using Time = std::string;
/// "100m", "1Gi": kept as written.
using Quantity = std::string;

/// A number or a name; JSON keeps which of the two it was.
struct IntOrString {
  std::variant<int32_t, std::string> value = 0;
  bool is_int() const { return value.index() == 0; }
  int32_t number() const { return is_int() ? std::get<0>(value) : 0; }
  std::string str() const { return is_int() ? std::to_string(std::get<0>(value)) : std::get<1>(value); }
  bool operator==(const IntOrString&) const = default;
};

struct OwnerReference : Described {
  std::string apiVersion;
  std::string kind;
  std::string name;
  std::string uid;
  std::optional<bool> controller;
  std::optional<bool> blockOwnerDeletion;
  bool operator==(const OwnerReference&) const = default;
};

struct ObjectMeta : Described {
  std::string name;
  std::string generateName;
  std::string namespace_;
  std::string uid;
  std::string resourceVersion;
  int64_t generation = 0;
  Time creationTimestamp;
  std::optional<Time> deletionTimestamp;
  std::optional<int64_t> deletionGracePeriodSeconds;
  StringMap labels;
  StringMap annotations;
  std::vector<OwnerReference> ownerReferences;
  std::vector<std::string> finalizers;
  bool operator==(const ObjectMeta&) const = default;
};

struct LabelSelectorRequirement : Described {
  std::string key;
  std::string operator_;  ///< In, NotIn, Exists, DoesNotExist
  std::vector<std::string> values;
  bool operator==(const LabelSelectorRequirement&) const = default;
};

struct LabelSelector : Described {
  StringMap matchLabels;
  std::vector<LabelSelectorRequirement> matchExpressions;
  bool operator==(const LabelSelector&) const = default;
};

struct Condition : Described {
  std::string type;
  std::string status;  ///< True, False, Unknown
  int64_t observedGeneration = 0;
  Time lastTransitionTime;
  std::string reason;
  std::string message;
  bool operator==(const Condition&) const = default;
};

/// Of a list, as the API server answers one.
struct ListMeta : Described {
  std::string resourceVersion;
  std::string continue_;  ///< the token of the next page
  std::optional<int64_t> remainingItemCount;
  bool operator==(const ListMeta&) const = default;
};

struct StatusCause : Described {
  std::string reason;
  std::string message;
  std::string field;  ///< path of the field at fault
  bool operator==(const StatusCause&) const = default;
};

struct StatusDetails : Described {
  std::string name;
  std::string group;
  std::string kind;
  std::string uid;
  std::vector<StatusCause> causes;
  int32_t retryAfterSeconds = 0;
  bool operator==(const StatusDetails&) const = default;
};

/// The API server's answer when it is not an object: mostly a failure.
struct Status : Described {
  ListMeta metadata;
  std::string status;  ///< Success, Failure
  std::string message;
  std::string reason;  ///< NotFound, Conflict, Invalid, …
  std::optional<StatusDetails> details;
  int32_t code = 0;  ///< the HTTP status
  bool operator==(const Status&) const = default;
};

}  // namespace weft::kube
