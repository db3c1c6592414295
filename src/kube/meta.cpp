#include "kube/meta.h"

#include "kube/reflect.h"

namespace weft::kube {

WEFT_DESCRIBE(
    OwnerReference, "io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference",
    "Another object, without which this one shall not live.",
    (apiVersion, kind, name, uid, controller, blockOwnerDeletion),
    field("apiVersion").required().keep_empty().doc("Group and version of the owner."),
    field("kind").required().keep_empty().doc("Kind of the owner."),
    field("name").required().keep_empty().doc("Name of the owner, in the same namespace or none."),
    field("uid").required().keep_empty().doc("UID of the owner."),
    field("controller").doc("This owner keeps the object as it is; at most one does."),
    field("blockOwnerDeletion").doc("An owner deleted in the foreground waits until this object is gone."))

WEFT_DESCRIBE(
    ObjectMeta, "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
    "What every object has: its names, and who keeps it.",
    (name, generateName, namespace_, uid, resourceVersion, generation, creationTimestamp, deletionTimestamp,
     deletionGracePeriodSeconds, labels, annotations, ownerReferences, finalizers),
    field("name").doc("Unique within the namespace and kind; it cannot be changed later."),
    field("generateName").doc("Start of a name that the server completes when none is given."),
    field("namespace").doc("The scope of the name; empty for kinds without one."),
    field("uid").doc("Unique for all time; given by the server."),
    field("resourceVersion").doc("Changes with every change; an update with an old one is refused."),
    field("generation").doc("Counts the changes of what is wanted."),
    field("creationTimestamp").time().doc("When it was made."),
    field("deletionTimestamp").time().doc("It is being deleted, and shall be gone by then."),
    field("deletionGracePeriodSeconds").doc("Seconds it was given to end."),
    field("labels").doc("Short values by which selectors find it."),
    field("annotations").doc("Any values, for tools."),
    field("ownerReferences")
        .list_map({"uid"})
        .merge("uid")
        .doc("Objects it belongs to; it is deleted when the last of them is gone."),
    field("finalizers").list_set().merge("").doc("Who still has work to do before it is gone."),
    field("selfLink").shape("string").doc("No longer used."),
    field("managedFields").shape("[]ManagedFieldsEntry").doc("Which fields were set by whom."))

WEFT_DESCRIBE(LabelSelectorRequirement, "io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelectorRequirement",
              "One demand on a label.", (key, operator_, values),
              field("key").required().keep_empty().doc("The label."),
              field("operator").required().keep_empty().doc("In, NotIn, Exists or DoesNotExist."),
              field("values").doc("The values, for In and NotIn."))

WEFT_DESCRIBE(
    LabelSelector, "io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector",
    "Which objects are meant, by their labels; all demands hold together, and none means all objects.",
    (matchLabels, matchExpressions), field("matchLabels").doc("Labels with exactly these values."),
    field("matchExpressions").doc("Demands on labels."))

WEFT_DESCRIBE(Condition, "io.k8s.apimachinery.pkg.apis.meta.v1.Condition",
              "Something that is true of an object, or not.",
              (type, status, observedGeneration, lastTransitionTime, reason, message),
              field("type").required().keep_empty().doc("What it is about."),
              field("status").required().keep_empty().doc("True, False or Unknown."),
              field("observedGeneration").doc("The metadata.generation it was said of."),
              field("lastTransitionTime").required().time().doc("When status changed last."),
              field("reason").required().keep_empty().doc("Why, in one CamelCase word."),
              field("message").required().keep_empty().doc("Why, for people."))

WEFT_DESCRIBE(ListMeta, "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta", "What every list has.",
              (resourceVersion, continue_, remainingItemCount),
              field("resourceVersion").doc("The state of the store that the list shows."),
              field("continue").doc("Ask with this for the next page."),
              field("remainingItemCount").doc("How many there are after this page."),
              field("selfLink").shape("string").doc("No longer used."))

WEFT_DESCRIBE(StatusCause, "io.k8s.apimachinery.pkg.apis.meta.v1.StatusCause", "One thing that is wrong.",
              (reason, message, field), reflect::field("field").doc("Path of the field at fault."))

WEFT_DESCRIBE(StatusDetails, "io.k8s.apimachinery.pkg.apis.meta.v1.StatusDetails", "What a Status is about.",
              (name, group, kind, uid, causes, retryAfterSeconds),
              field("causes").doc("Everything that is wrong with the object."))

WEFT_DESCRIBE_KIND(Status,
                   ({.group = "",
                     .version = "v1",
                     .kind = "Status",
                     .plural = "status",
                     .singular = "status",
                     .short_names = {},
                     .namespaced = false,
                     .categories = {}}),
                   "io.k8s.apimachinery.pkg.apis.meta.v1.Status",
                   "The server's answer when it is not an object.",
                   (metadata, status, message, reason, details, code), field("metadata").keep_empty(),
                   field("status").doc("Success or Failure."), field("code").doc("The HTTP status."))

}  // namespace weft::kube
