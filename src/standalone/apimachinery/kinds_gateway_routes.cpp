#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "kube/codec.h"
#include "kube/gateway_routes.h"
#include "standalone/apimachinery/crd_schema.h"
#include "standalone/apimachinery/gateway_schema.h"
#include "standalone/apimachinery/kind_rules.h"

/// The routes of Gateway API are refused as a cluster refuses them that has the CustomResourceDefinitions of
/// v1.6: what the schema says, then its CEL rules.
namespace weft::standalone {
namespace {

using namespace gateway_schema;

constexpr const char* kHeaderName = "^[A-Za-z0-9!#$%&'*+\\-.^_\\x60|~]+$";

json::object parents() {
  return list_of(fields({{"group", group()},
                         {"kind", kind()},
                         {"namespace", namespace_()},
                         {"name", name()},
                         {"sectionName", section()},
                         {"port", port()}},
                        {"name"}),
                 32);
}

json::object backend(bool weighted) {
  json::object members{
      {"group", group()}, {"kind", kind()}, {"namespace", namespace_()}, {"name", name()}, {"port", port()}};
  if (weighted) members["weight"] = number(0, 1'000'000);
  return fields(std::move(members), {"name"});
}

json::object values() {
  return list_of(fields({{"type", choice({"Exact", "RegularExpression"})},
                         {"name", text(1, 256, kHeaderName)},
                         {"value", text(1, 4096)}},
                        {"name", "value"}),
                 16);
}

json::object header_edit() {
  auto header = fields({{"name", text(1, 256, kHeaderName)}, {"value", text(1, 4096)}}, {"name", "value"});
  return fields({{"set", list_of(header, 16)},
                 {"add", list_of(header, 16)},
                 {"remove", json::object{{"maxItems", 16}}}});
}

json::object path_edit() {
  return fields({{"type", choice({"ReplaceFullPath", "ReplacePrefixMatch"})},
                 {"replaceFullPath", text(0, 1024)},
                 {"replacePrefixMatch", text(0, 1024)}},
                {"type"});
}

json::object filters(json::array types) {
  auto mirror = fields({{"backendRef", backend(false)},
                        {"percent", number(0, 100)},
                        {"fraction", fields({{"numerator", json::object{{"minimum", 0}}},
                                             {"denominator", json::object{{"minimum", 1}}}},
                                            {"numerator"})}},
                       {"backendRef"});
  auto redirect = fields({{"scheme", choice({"http", "https"})},
                          {"hostname", hostname()},
                          {"path", path_edit()},
                          {"port", port()},
                          {"statusCode", choice({301, 302, 303, 307, 308})}});
  return list_of(fields({{"type", choice(std::move(types))},
                         {"requestHeaderModifier", header_edit()},
                         {"responseHeaderModifier", header_edit()},
                         {"requestMirror", std::move(mirror)},
                         {"requestRedirect", std::move(redirect)},
                         {"urlRewrite", fields({{"hostname", hostname()}, {"path", path_edit()}})},
                         {"extensionRef", reference({"group", "kind", "name"})}},
                        {"type"}),
                 16);
}

/// A rule's `backendRefs` with filters, besides its own.
json::object with_backends(json::object rule, const json::object& filter_list) {
  auto one = backend(true);
  one["properties"].as_object()["filters"] = filter_list;
  rule["name"] = section();
  rule["filters"] = filter_list;
  rule["backendRefs"] = list_of(std::move(one), 16);
  return fields(std::move(rule));
}

kube::SchemaPtr of_spec(json::object rules, int min_rules, int max_rules, bool hostnames_required) {
  json::object spec{{"parentRefs", parents()},
                    {"hostnames", list_of(hostname(), hostnames_required ? 1024 : 16, hostnames_required)},
                    {"useDefaultGateways", choice({"All", "None"})},
                    {"rules", list_of(std::move(rules), max_rules, min_rules)}};
  auto shape = hostnames_required ? fields(std::move(spec), {"hostnames", "rules"})
               : min_rules > 0    ? fields(std::move(spec), {"rules"})
                                  : fields(std::move(spec));
  return rules_schema(fields({{"spec", std::move(shape)}}, {"spec"}));
}

const kube::Schema& http_schema() {
  static const auto schema = [] {
    auto match = fields(
        {{"path",
          fields({{"type", choice({"Exact", "PathPrefix", "RegularExpression"})}, {"value", text(0, 1024)}})},
         {"headers", values()},
         {"queryParams", values()},
         {"method",
          choice({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})}});
    json::object rule{
        {"matches", list_of(std::move(match), 64)},
        {"timeouts", fields({{"request", duration()}, {"backendRequest", duration()}})},
        {"retry", fields({{"codes", json::object{{"items", number(400, 599)}}}, {"backoff", duration()}})}};
    auto list = filters({"RequestHeaderModifier", "ResponseHeaderModifier", "RequestMirror",
                         "RequestRedirect", "URLRewrite", "ExtensionRef", "CORS", "ExternalAuth"});
    return of_spec(with_backends(std::move(rule), list), 0, 16, false);
  }();
  return *schema;
}

const kube::Schema& grpc_schema() {
  static const auto schema = [] {
    auto method = fields({{"type", choice({"Exact", "RegularExpression"})},
                          {"service", text(0, 1024)},
                          {"method", text(0, 1024)}});
    json::object rule{
        {"matches", list_of(fields({{"method", std::move(method)}, {"headers", values()}}), 64)}};
    auto list = filters({"RequestHeaderModifier", "ResponseHeaderModifier", "RequestMirror", "ExtensionRef"});
    return of_spec(with_backends(std::move(rule), list), 0, 16, false);
  }();
  return *schema;
}

json::object stream_rule() {
  return fields({{"name", section()}, {"backendRefs", list_of(backend(true), 16, 1)}}, {"backendRefs"});
}

const kube::Schema& tls_schema() {
  static const auto schema = of_spec(stream_rule(), 1, 1, true);
  return *schema;
}

const kube::Schema& port_schema() {
  static const auto schema = of_spec(stream_rule(), 1, 1, false);
  return *schema;
}

void check_parents(FieldErrors& errors, const std::vector<kube::RouteParentReference>& parents) {
  using Section = std::pair<std::string, int32_t>;
  std::map<std::tuple<std::string, std::string, std::string, std::string>, std::set<Section>> known;
  for (const auto& ref : parents) {
    auto& sections = known[{ref.group.value_or(""), ref.kind.value_or(""), ref.namespace_, ref.name}];
    Section section{ref.sectionName, ref.port};
    bool alike = std::ranges::all_of(sections, [&](const Section& other) {
      return other.first.empty() == section.first.empty() && (other.second == 0) == (section.second == 0);
    });
    if (!alike)
      broken(
          errors, "spec.parentRefs",
          "sectionName or port must be specified when parentRefs includes 2 or more references to the same "
          "parent");
    if (!sections.insert(section).second)
      broken(errors, "spec.parentRefs",
             "sectionName or port must be unique when parentRefs includes 2 or more references to the same "
             "parent");
  }
}

void check_port(FieldErrors& errors, const std::string& path, const kube::BackendObjectReference& ref) {
  if (ref.group.value_or("").empty() && ref.kind.value_or("Service") == "Service" && ref.port == 0)
    broken(errors, path, "Must have port for Service reference");
}

template <class Rules>
void check_rule_names(FieldErrors& errors, const Rules& rules) {
  std::set<std::string> names;
  size_t matches = 0;
  for (const auto& rule : rules) {
    if (!rule.name.empty() && !names.insert(rule.name).second)
      broken(errors, "spec.rules", "Rule name must be unique within the route");
    if constexpr (requires { rule.matches; }) matches += rule.matches.size();
  }
  if (matches > 128)
    broken(errors, "spec.rules",
           "While 16 rules and 64 matches per rule are allowed, the total number of matches across all rules "
           "in a route must be at most 128");
}

/// The member that the filter's type names is there, and no other.
void check_members(FieldErrors& errors, const std::string& path, const std::string& type,
                   std::initializer_list<std::tuple<const char*, const char*, bool>> members) {
  for (const auto& [name, of_type, there] : members) {
    bool meant = type == of_type;
    if (there && !meant)
      broken(errors, path, fmt::format("filter.{} must be nil if the filter.type is not {}", name, of_type));
    if (!there && meant)
      broken(errors, path, fmt::format("filter.{} must be specified for {} filter.type", name, of_type));
  }
}

void check_mirror(FieldErrors& errors, const std::string& path, const kube::HTTPRequestMirrorFilter& mirror) {
  check_port(errors, child(path, "backendRef"), mirror.backendRef);
  if (mirror.percent && mirror.fraction)
    broken(errors, path, "Only one of percent or fraction may be specified in HTTPRequestMirrorFilter");
  if (mirror.fraction && mirror.fraction->numerator > mirror.fraction->denominator.value_or(100))
    broken(errors, child(path, "fraction"), "numerator must be less than or equal to denominator");
}

void check_path_edit(FieldErrors& errors, const std::string& path,
                     const std::optional<kube::HTTPPathModifier>& edit) {
  if (!edit) return;
  bool full = edit->type == "ReplaceFullPath";
  if (full != edit->replaceFullPath.has_value() || full == edit->replacePrefixMatch.has_value())
    broken(errors, path,
           fmt::format("{} must be specified, and it alone, when type is set to '{}'",
                       full ? "replaceFullPath" : "replacePrefixMatch", edit->type));
}

void check_filter(FieldErrors& errors, const std::string& path, const kube::HTTPRouteFilter& filter) {
  check_members(
      errors, path, filter.type,
      {{"cors", "CORS", filter.cors.has_value()},
       {"requestHeaderModifier", "RequestHeaderModifier", filter.requestHeaderModifier.has_value()},
       {"responseHeaderModifier", "ResponseHeaderModifier", filter.responseHeaderModifier.has_value()},
       {"requestMirror", "RequestMirror", filter.requestMirror.has_value()},
       {"requestRedirect", "RequestRedirect", filter.requestRedirect.has_value()},
       {"urlRewrite", "URLRewrite", filter.urlRewrite.has_value()},
       {"extensionRef", "ExtensionRef", filter.extensionRef.has_value()},
       {"externalAuth", "ExternalAuth", filter.unknown.contains("externalAuth")}});
  if (filter.requestMirror) check_mirror(errors, child(path, "requestMirror"), *filter.requestMirror);
  if (filter.requestRedirect)
    check_path_edit(errors, child(path, "requestRedirect.path"), filter.requestRedirect->path);
  if (filter.urlRewrite) check_path_edit(errors, child(path, "urlRewrite.path"), filter.urlRewrite->path);
}

void check_filter(FieldErrors& errors, const std::string& path, const kube::GRPCRouteFilter& filter) {
  check_members(
      errors, path, filter.type,
      {{"requestHeaderModifier", "RequestHeaderModifier", filter.requestHeaderModifier.has_value()},
       {"responseHeaderModifier", "ResponseHeaderModifier", filter.responseHeaderModifier.has_value()},
       {"requestMirror", "RequestMirror", filter.requestMirror.has_value()},
       {"extensionRef", "ExtensionRef", filter.extensionRef.has_value()}});
  if (filter.requestMirror) check_mirror(errors, child(path, "requestMirror"), *filter.requestMirror);
}

template <class Filter>
void check_filters(FieldErrors& errors, const std::string& path, const std::vector<Filter>& filters) {
  std::map<std::string, int> count;
  for (size_t i = 0; i < filters.size(); ++i) {
    check_filter(errors, item(path, i), filters[i]);
    ++count[filters[i].type];
  }
  if (count.contains("RequestRedirect") && count.contains("URLRewrite"))
    broken(
        errors, path,
        "May specify either httpRouteFilterRequestRedirect or httpRouteFilterRequestRewrite, but not both");
  for (const auto* type :
       {"CORS", "RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect", "URLRewrite"}) {
    if (count[type] > 1) broken(errors, path, fmt::format("{} filter cannot be repeated", type));
  }
}

template <class Rule>
void check_backends(FieldErrors& errors, const std::string& path, const Rule& rule) {
  for (size_t i = 0; i < rule.backendRefs.size(); ++i) {
    auto at = item(child(path, "backendRefs"), i);
    check_port(errors, at, rule.backendRefs[i]);
    if constexpr (requires { rule.backendRefs[i].filters; })
      check_filters(errors, child(at, "filters"), rule.backendRefs[i].filters);
  }
}

void check_path(FieldErrors& errors, const std::string& path, const kube::HTTPPathMatch& match) {
  if (match.type.value_or("PathPrefix") == "RegularExpression") return;
  const auto value = match.value.value_or("/");
  constexpr std::string_view kTypes = " when type one of ['Exact', 'PathPrefix']";
  auto refuse = [&](std::string_view what) { broken(errors, path, fmt::format("{}{}", what, kTypes)); };
  if (!value.starts_with('/')) refuse("value must be an absolute path and start with '/'");
  for (const auto* part : {"//", "/./", "/../", "%2f", "%2F", "#"}) {
    if (value.find(part) != std::string::npos) refuse(fmt::format("must not contain '{}'", part));
  }
  for (const auto* end : {"/..", "/."}) {
    if (value.ends_with(end)) refuse(fmt::format("must not end with '{}'", end));
  }
  constexpr const char* kCharacters = R"(^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$)";
  if (!pattern_matches(kCharacters, value).value_or(false))
    refuse(fmt::format("must only contain valid characters (matching {})", kCharacters));
}

bool has_one_prefix(const kube::HTTPRouteRule& rule) {
  return rule.matches.size() == 1 && rule.matches[0].path &&
         rule.matches[0].path->type.value_or("PathPrefix") == "PathPrefix";
}

/// A filter that replaces the prefix needs one.
void check_prefixes(FieldErrors& errors, const std::string& path, const kube::HTTPRouteRule& rule) {
  auto replaces = [](const std::optional<kube::HTTPPathModifier>& edit) {
    return edit && edit->type == "ReplacePrefixMatch";
  };
  auto check_all = [&](const std::vector<kube::HTTPRouteFilter>& filters) {
    for (const auto& filter : filters) {
      bool redirect = filter.requestRedirect && replaces(filter.requestRedirect->path);
      bool rewrite = filter.urlRewrite && replaces(filter.urlRewrite->path);
      if ((redirect || rewrite) && !has_one_prefix(rule))
        broken(errors, path,
               fmt::format("When using {} filter with path.replacePrefixMatch, exactly one "
                           "PathPrefix match must be specified",
                           redirect ? "RequestRedirect" : "URLRewrite"));
    }
  };
  check_all(rule.filters);
  for (const auto& ref : rule.backendRefs) check_all(ref.filters);
}

void check_rule(FieldErrors& errors, const std::string& path, const kube::HTTPRouteRule& rule) {
  for (size_t i = 0; i < rule.matches.size(); ++i) {
    if (rule.matches[i].path)
      check_path(errors, child(item(child(path, "matches"), i), "path"), *rule.matches[i].path);
  }
  bool redirects =
      std::ranges::any_of(rule.filters, [](const auto& one) { return one.requestRedirect.has_value(); });
  if (redirects && !rule.backendRefs.empty())
    broken(errors, path, "RequestRedirect filter must not be used together with backendRefs");
  check_prefixes(errors, path, rule);
}

void check_rule(FieldErrors& errors, const std::string& path, const kube::GRPCRouteRule& rule) {
  for (size_t i = 0; i < rule.matches.size(); ++i) {
    const auto& method = rule.matches[i].method;
    if (!method) continue;
    auto at = child(item(child(path, "matches"), i), "method");
    if (!method->service && !method->method)
      broken(errors, at, "One or both of 'service' or 'method' must be specified");
    if (method->type.value_or("Exact") != "Exact") continue;
    constexpr const char* kService = R"((?i)^\.?[a-z_][a-z_0-9]*(\.[a-z_][a-z_0-9]*)*$)";
    constexpr const char* kMethod = R"(^[A-Za-z_][A-Za-z_0-9]*$)";
    if (method->service && !pattern_matches(kService, *method->service).value_or(false))
      broken(errors, at, "service must only contain valid characters");
    if (method->method && !pattern_matches(kMethod, *method->method).value_or(false))
      broken(errors, at, "method must only contain valid characters");
  }
}

template <class Route, const kube::Schema& (*schema)()>
void validate(FieldErrors& errors, const json::value& object) {
  if (!check(errors, object, schema())) return;
  auto route = kube::decode<Route>(object);
  if (!route) return errors.push_back(invalid("", nullptr, route.error().message));
  check_parents(errors, route->spec.parentRefs);
  check_rule_names(errors, route->spec.rules);
  for (size_t i = 0; i < route->spec.rules.size(); ++i) {
    const auto& rule = route->spec.rules[i];
    auto path = item("spec.rules", i);
    if constexpr (requires { rule.filters; }) {
      check_filters(errors, child(path, "filters"), rule.filters);
      check_rule(errors, path, rule);
    }
    check_backends(errors, path, rule);
  }
}

template <class Route, const kube::Schema& (*schema)()>
KindRules rules_of(std::string_view kind) {
  return {.group = "gateway.networking.k8s.io",
          .kind = kind,
          .generation = true,
          .validate = validate<Route, schema>};
}

}  // namespace

std::vector<KindRules> gateway_route_rules() {
  return {rules_of<kube::HTTPRoute, http_schema>("HTTPRoute"),
          rules_of<kube::GRPCRoute, grpc_schema>("GRPCRoute"),
          rules_of<kube::TLSRoute, tls_schema>("TLSRoute"), rules_of<kube::TCPRoute, port_schema>("TCPRoute"),
          rules_of<kube::UDPRoute, port_schema>("UDPRoute")};
}

}  // namespace weft::standalone
