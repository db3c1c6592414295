#pragma once

#include <optional>
#include <string>

#include "kube/meta.h"

/// References from one object to another (core/v1).
namespace weft::kube {

/// The name of an object in the same namespace.
struct LocalObjectReference : Described {
  std::string name;
  bool operator==(const LocalObjectReference&) const = default;
};

/// Which object is meant, wherever it is.
struct ObjectReference : Described {
  std::string kind;
  std::string namespace_;
  std::string name;
  std::string uid;
  std::string apiVersion;
  std::string resourceVersion;
  std::string fieldPath;
  bool operator==(const ObjectReference&) const = default;
};

/// An object of any kind in the same namespace.
struct TypedLocalObjectReference : Described {
  std::optional<std::string> apiGroup;
  std::string kind;
  std::string name;
  bool operator==(const TypedLocalObjectReference&) const = default;
};

}  // namespace weft::kube
