#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "kube/meta.h"
#include "standalone/apimachinery/field_error.h"

/// The checks that the rules of many kinds are made of. Each adds what is wrong to `errors`.
namespace weft::standalone {

using Messages = std::vector<std::string>;
/// What is wrong with a name, in the words of apimachinery; empty when nothing is.
using NameRule = Messages (*)(std::string_view);

Messages dns_label(std::string_view text);       ///< RFC 1123 label
Messages dns_1035_label(std::string_view text);  ///< starts with a letter
Messages dns_subdomain(std::string_view text);   ///< RFC 1123 subdomain
Messages wildcard_dns_subdomain(std::string_view text);
Messages path_segment(std::string_view text);  ///< no "/", no "%", not "." or ".."
Messages port_name(std::string_view text);     ///< RFC 6335, 5.1
Messages config_key(std::string_view text);
Messages qualified_name(std::string_view text);

constexpr std::string_view kImmutable = "field is immutable";
constexpr std::string_view kNotNegative = "must be greater than or equal to 0";
constexpr std::string_view kPortRange = "must be between 1 and 65535, inclusive";

/// Paths: "spec" + "ports" + [0] + "port".
std::string child(const std::string& path, std::string_view key);
std::string item(const std::string& path, size_t index);
std::string keyed(const std::string& path, std::string_view key);

void check_name(FieldErrors& errors, const std::string& path, std::string_view name, NameRule rule);
void check_not_negative(FieldErrors& errors, const std::string& path, int64_t value);
void check_port_number(FieldErrors& errors, const std::string& path, int64_t value);
void check_port(FieldErrors& errors, const std::string& path, const kube::IntOrString& port);
/// `required` when the value is empty.
void check_one_of(FieldErrors& errors, const std::string& path, std::string_view value,
                  std::initializer_list<std::string_view> choices);
void check_ip(FieldErrors& errors, const std::string& path, std::string_view value);
/// An address that can be a backend: not loopback, link-local, multicast or unspecified.
void check_not_special_ip(FieldErrors& errors, const std::string& path, std::string_view value);
/// "IP/LENGTH" with leading zeros allowed in both, as kube-apiserver read it before it became strict.
std::optional<IpPrefix> parse_lenient_cidr(std::string_view value);
/// A network as KEP-4858 has it: no leading zeros, no IPv4-mapped address, no bits behind the prefix.
void check_cidr(FieldErrors& errors, const std::string& path, std::string_view value);
void check_labels(FieldErrors& errors, const std::string& path, const kube::StringMap& labels);
void check_annotations(FieldErrors& errors, const std::string& path, const kube::StringMap& annotations);
void check_label_selector(FieldErrors& errors, const std::string& path, const kube::LabelSelector& selector);
/// A number, or a percentage.
void check_int_or_percent(FieldErrors& errors, const std::string& path, const kube::IntOrString& value);

json::value to_json(const kube::IntOrString& value);
json::value to_json(const kube::StringMap& map);
json::value to_json(const std::vector<std::string>& list);
json::value to_json(const std::optional<std::string>& text);

/// 1.5 for "1500m": good to compare with, not to compute with. 0 for what is no quantity.
double quantity_value(std::string_view text);

/// All rules of metadata but its immutability.
void check_metadata(FieldErrors& errors, const kube::ObjectMeta& metadata, bool namespaced,
                    NameRule name_rule);
/// What the built-in kinds ask of finalizers besides; CustomResourceDefinitions and custom resources do not.
void check_qualified_finalizers(FieldErrors& errors, const kube::ObjectMeta& metadata);
void check_metadata_update(FieldErrors& errors, const kube::ObjectMeta& metadata,
                           const kube::ObjectMeta& old);

}  // namespace weft::standalone
