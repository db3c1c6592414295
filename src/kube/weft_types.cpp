#include "kube/weft_types.h"

#include "kube/reflect.h"

namespace weft::kube {

WEFT_DESCRIBE(
    AddressPoolSpec, "dev.weft.v1alpha1.AddressPoolSpec", "Which addresses a pool has and who may get them.",
    (addresses, namespaceSelector, serviceSelector, autoAssign),
    field("addresses")
        .required()
        .keep_empty()
        .doc("Networks (192.0.2.0/24) and ranges (192.0.2.10-192.0.2.20)."),
    field("namespaceSelector").doc("Namespaces whose Services may get them; all when it is not given."),
    field("serviceSelector").doc("Services that may get them; all when it is not given."),
    field("autoAssign")
        .fallback(true)
        .doc("Whether Services get them that ask for neither this pool nor an address of it."))

WEFT_DESCRIBE(AddressPoolStatus, "dev.weft.v1alpha1.AddressPoolStatus", "How the pool is doing.",
              (conditions, assigned, available),
              field("conditions").list_map({"type"}).merge("type").doc("Ready, or why not."),
              field("assigned").keep_empty().doc("Addresses in use."),
              field("available").keep_empty().doc("Addresses left."))

WEFT_DESCRIBE_KIND(AddressPool,
                   ({.group = "weft.dev",
                     .version = "v1alpha1",
                     .kind = "AddressPool",
                     .plural = "addresspools",
                     .singular = "addresspool",
                     .short_names = {},
                     .namespaced = false,
                     .categories = {}}),
                   "dev.weft.v1alpha1.AddressPool", "Addresses for Services of type LoadBalancer.",
                   (metadata, spec, status),
                   field("metadata").doc("Name, labels and the rest that every object has."),
                   field("spec").doc("Which addresses, and who may get them."),
                   field("status").doc("How the pool is doing."))

}  // namespace weft::kube
