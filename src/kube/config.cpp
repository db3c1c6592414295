#include "kube/config.h"

#include "kube/reflect.h"

namespace weft::kube {

WEFT_DESCRIBE(NamespaceSpec, "io.k8s.api.core.v1.NamespaceSpec", "", (finalizers))

WEFT_DESCRIBE(NamespaceCondition, "io.k8s.api.core.v1.NamespaceCondition", "",
              (type, status, lastTransitionTime, reason, message), field("type").required().keep_empty(),
              field("status").required().keep_empty(), field("lastTransitionTime").time())

WEFT_DESCRIBE(NamespaceStatus, "io.k8s.api.core.v1.NamespaceStatus", "", (phase, conditions),
              field("phase").one_of({"Active", "Terminating"}),
              field("conditions").list_map({"type"}).merge("type"))

WEFT_DESCRIBE_KIND(Namespace,
                   ({.group = "",
                     .version = "v1",
                     .kind = "Namespace",
                     .plural = "namespaces",
                     .singular = "namespace",
                     .short_names = {"ns"},
                     .namespaced = false,
                     .categories = {}}),
                   "io.k8s.api.core.v1.Namespace", "A scope for names.", (metadata, spec, status),
                   field("metadata").doc("Name, namespace, labels and the rest that every object has."))

WEFT_DESCRIBE_KIND(ConfigMap,
                   ({.group = "",
                     .version = "v1",
                     .kind = "ConfigMap",
                     .plural = "configmaps",
                     .singular = "configmap",
                     .short_names = {"cm"},
                     .namespaced = true,
                     .categories = {}}),
                   "io.k8s.api.core.v1.ConfigMap", "Plain settings for pods.",
                   (metadata, immutable, data, binaryData),
                   field("metadata").doc("Name, namespace, labels and the rest that every object has."),
                   field("data").doc("Text by key."),
                   field("binaryData").bytes().doc("Bytes by key, in base64."))

WEFT_DESCRIBE_KIND(Secret,
                   ({.group = "",
                     .version = "v1",
                     .kind = "Secret",
                     .plural = "secrets",
                     .singular = "secret",
                     .short_names = {},
                     .namespaced = true,
                     .categories = {}}),
                   "io.k8s.api.core.v1.Secret", "Settings that are not for everyone.",
                   (metadata, immutable, data, stringData, type),
                   field("metadata").doc("Name, namespace, labels and the rest that every object has."),
                   field("data").bytes().doc("Bytes by key, in base64."),
                   field("stringData").doc("Text by key, for writing: it ends up in data."),
                   field("type").fallback("Opaque"))

WEFT_DESCRIBE_KIND(ServiceAccount,
                   ({.group = "",
                     .version = "v1",
                     .kind = "ServiceAccount",
                     .plural = "serviceaccounts",
                     .singular = "serviceaccount",
                     .short_names = {"sa"},
                     .namespaced = true,
                     .categories = {}}),
                   "io.k8s.api.core.v1.ServiceAccount", "Who a pod is to the API.",
                   (metadata, secrets, imagePullSecrets, automountServiceAccountToken),
                   field("metadata").doc("Name, namespace, labels and the rest that every object has."),
                   field("secrets").list_map({"name"}).merge("name"))

WEFT_DESCRIBE(EventSource, "io.k8s.api.core.v1.EventSource", "", (component, host))

WEFT_DESCRIBE(EventSeries, "io.k8s.api.core.v1.EventSeries", "", (count, lastObservedTime),
              field("lastObservedTime").micro_time())

WEFT_DESCRIBE_KIND(Event,
                   ({.group = "",
                     .version = "v1",
                     .kind = "Event",
                     .plural = "events",
                     .singular = "event",
                     .short_names = {"ev"},
                     .namespaced = true,
                     .categories = {}}),
                   "io.k8s.api.core.v1.Event", "Something that happened to an object.",
                   (metadata, involvedObject, reason, message, source, firstTimestamp, lastTimestamp, count,
                    type, eventTime, series, action, related, reportingComponent, reportingInstance),
                   field("metadata").doc("Name, namespace, labels and the rest that every object has."),
                   field("involvedObject").required().keep_empty(), field("firstTimestamp").time(),
                   field("lastTimestamp").time(), field("eventTime").micro_time(),
                   field("reportingComponent").keep_empty(), field("reportingInstance").keep_empty())

WEFT_DESCRIBE(LeaseSpec, "io.k8s.api.coordination.v1.LeaseSpec", "",
              (holderIdentity, leaseDurationSeconds, acquireTime, renewTime, leaseTransitions, strategy,
               preferredHolder),
              field("acquireTime").micro_time(), field("renewTime").micro_time())

WEFT_DESCRIBE_KIND(Lease,
                   ({.group = "coordination.k8s.io",
                     .version = "v1",
                     .kind = "Lease",
                     .plural = "leases",
                     .singular = "lease",
                     .short_names = {},
                     .namespaced = true,
                     .categories = {}}),
                   "io.k8s.api.coordination.v1.Lease", "Who holds a role, and until when.", (metadata, spec),
                   field("metadata").doc("Name, namespace, labels and the rest that every object has."))

}  // namespace weft::kube
