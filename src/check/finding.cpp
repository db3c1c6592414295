#include "check/finding.h"

#include <fmt/core.h>

namespace weft::check {

std::string_view name_of(Severity severity) {
  switch (severity) {
    case Severity::error:
      return "error";
    case Severity::warning:
      return "warning";
    default:
      return "note";
  }
}

const std::vector<Rule>& rules() {
  static const std::vector<Rule> kRules{
      {"WEFT0001", "an API server refuses the object"},
      {"WEFT0101", "a Service that is named is not there, or in another namespace"},
      {"WEFT0102", "a Service's selector matches no pod"},
      {"WEFT0103", "a Service's selector also matches pods that do not have its port"},
      {"WEFT0104", "a Service's named targetPort is the name of no container's port"},
      {"WEFT0105", "a Service's targetPort is none of those that its containers declare"},
      {"WEFT0106", "a port and what it leads to, or what asks for it, have different protocols"},
      {"WEFT0107", "a Service is asked for a port that it does not have"},
      {"WEFT0108", "a probe asks a port that its container does not declare"},
      {"WEFT0110", "an EndpointSlice belongs to no Service, or a Service without selector has none"},
      {"WEFT0111", "addresses are of a family that the Service, or what is behind it, does not have"},
      {"WEFT0112", "externalTrafficPolicy is Local, and a node has no endpoint"},
      {"WEFT0113", "internalTrafficPolicy is Local, and a node has no endpoint"},
      {"WEFT0114", "loadBalancerSourceRanges let in others than they seem to"},
      {"WEFT0116", "policies keep a pod from asking the cluster's DNS"},
      {"WEFT0117", "a policy allows at one end what policies deny at the other"},
      {"WEFT0118", "a policy selects nobody, or names a peer that nobody is"},
      {"WEFT0119", "a policy names a Service's port or address instead of the pods'"},
      {"WEFT0120", "a pod does not ask the cluster's DNS"},
      {"WEFT0121", "a Gateway or Ingress names a class that is not there"},
      {"WEFT0122", "a route's parent does not take it"},
      {"WEFT0123", "a route's hostnames are none of its listener's"},
      {"WEFT0124", "a route's backend cannot be used"},
      {"WEFT0125", "a listener's certificate cannot be used"},
      {"WEFT0126", "listeners of a Gateway are in each other's way"},
      {"WEFT0127", "a route's rule never takes a request, as another comes before it"},
      {"WEFT0128", "a certificate is not for the host that is served with it"},
      {"WEFT0129", "a certificate has run out, or is not valid yet"},
      {"WEFT0130", "an ExternalName is an address"},
  };
  return kRules;
}

std::string Finding::str() const {
  auto place = where.file.empty() ? std::string() : fmt::format("{}:{}: ", where.file, where.line);
  auto out = fmt::format("{}{} [{}] {}: {}", place, name_of(severity), code, where.str(), message);
  return fix.empty() ? out : fmt::format("{}. {}", out, fix);
}

json::array to_json(const std::vector<Finding>& findings) {
  json::array out;
  for (const auto& finding : findings) {
    const auto& where = finding.where;
    out.push_back(json::object{{"code", finding.code},
                               {"severity", name_of(finding.severity)},
                               {"object",
                                {{"kind", where.kind},
                                 {"namespace", where.namespace_},
                                 {"name", where.name},
                                 {"field", where.part}}},
                               {"file", where.file},
                               {"line", where.line},
                               {"message", finding.message},
                               {"fix", finding.fix}});
  }
  return out;
}

json::object to_sarif(const std::vector<Finding>& findings) {
  json::array known, results;
  for (const auto& rule : rules())
    known.push_back(json::object{{"id", rule.code}, {"shortDescription", {{"text", rule.summary}}}});
  for (const auto& finding : findings) {
    auto text = finding.fix.empty() ? finding.message : fmt::format("{}. {}", finding.message, finding.fix);
    json::object place{{"artifactLocation", {{"uri", finding.where.file}}},
                       {"region", {{"startLine", std::max(finding.where.line, 1)}}}};
    results.push_back(
        json::object{{"ruleId", finding.code},
                     {"level", name_of(finding.severity)},
                     {"message", {{"text", fmt::format("{}: {}", finding.where.str(), text)}}},
                     {"locations", json::array{json::object{{"physicalLocation", std::move(place)}}}}});
  }
  json::object run{{"tool", {{"driver", {{"name", "weft check"}, {"rules", std::move(known)}}}}},
                   {"results", std::move(results)}};
  return {{"version", "2.1.0"},
          {"$schema", "https://json.schemastore.org/sarif-2.1.0.json"},
          {"runs", json::array{std::move(run)}}};
}

}  // namespace weft::check
