#include "kube/reference.h"

#include "kube/reflect.h"

namespace weft::kube {

WEFT_DESCRIBE(LocalObjectReference, "io.k8s.api.core.v1.LocalObjectReference",
              "The name of an object in the same namespace.", (name), field("name").fallback(""))

WEFT_DESCRIBE(ObjectReference, "io.k8s.api.core.v1.ObjectReference", "Which object is meant, wherever it is.",
              (kind, namespace_, name, uid, apiVersion, resourceVersion, fieldPath))

WEFT_DESCRIBE(TypedLocalObjectReference, "io.k8s.api.core.v1.TypedLocalObjectReference",
              "An object of any kind in the same namespace.", (apiGroup, kind, name),
              field("kind").required().keep_empty(), field("name").required().keep_empty())

}  // namespace weft::kube
