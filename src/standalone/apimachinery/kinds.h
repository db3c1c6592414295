#pragma once

#include <string>
#include <string_view>

#include "kube/json.h"
#include "kube/resource.h"
#include "kube/schema.h"
#include "standalone/apimachinery/field_error.h"

/// What kube-apiserver does to an object of a kind between reading it and storing it. The order of a write:
///   create: prune / check_types / drop_nulls (fields.h) → default_object → metadata by the server (uid,
///   creationTimestamp,
///           namespace, name from generateName) → prepare_for_create → Services: ServiceAllocator::allocate →
///           validate_create → store → Transaction::commit
///   update: the same with prepare_for_update and validate_update (old is what is stored, already defaulted).
/// A kind without rules of its own (custom resources too) gets those of metadata and of its schema.
namespace weft::standalone {

/// Sets the defaults of the kind: those in the schema and those that depend on other fields.
void default_object(const kube::ResourceInfo& kind, const kube::Schema& schema, json::value& object);

/// Drops what a client may not set when it creates: status (`has_status`: the kind has it as a subresource),
/// starts metadata.generation at 1 where the kind counts it, and changes fields as the kind's strategy does
/// (a Secret's stringData becomes data, a Namespace gets its finalizer and label, a Pod its phase and QoS
/// class).
void prepare_for_create(const kube::ResourceInfo& kind, bool has_status, json::value& object);

/// The same for an update of the object itself (`subresource` "") or of a subresource ("status"): takes from
/// `old` what this way of writing may not change, counts generation up when the rest changed.
void prepare_for_update(const kube::ResourceInfo& kind, bool has_status, json::value& object,
                        const json::value& old, std::string_view subresource = {});

/// What is wrong with a new object; empty when nothing is.
FieldErrors validate_create(const kube::ResourceInfo& kind, const kube::Schema& schema,
                            const json::value& object);

/// What is wrong with a change: all that validate_create finds in the new state, and immutable fields.
FieldErrors validate_update(const kube::ResourceInfo& kind, const kube::Schema& schema,
                            const json::value& object, const json::value& old,
                            std::string_view subresource = {});

/// Whether metadata.generation counts the changes of this kind (all custom resources and most built-in kinds
/// with a spec).
bool counts_generation(const kube::ResourceInfo& kind);

/// The name for a generateName: at most 58 characters of it and five random ones of upstream's alphabet.
std::string generated_name(std::string_view generate_name);

}  // namespace weft::standalone
