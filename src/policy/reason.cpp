#include "policy/reason.h"

#include <algorithm>

#include "policy/numbers.h"

namespace weft::policy {
namespace {

std::string_view name_of(Reason::Kind kind) {
  switch (kind) {
    case Reason::Kind::rules:
      return "rules";
    case Reason::Kind::isolation:
      return "isolation";
    case Reason::Kind::accepted:
      return "accepted";
    case Reason::Kind::denied:
      return "denied";
    case Reason::Kind::no_policy:
      break;
  }
  return "no_policy";
}

std::string rule_text(const RuleName& rule, Direction direction) {
  auto text = rule.policy + " " + std::string(name_of(direction)) + "[" + std::to_string(rule.index) + "]";
  return rule.name.empty() ? text : text + " \"" + rule.name + "\"";
}

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const auto& part : parts) out += (out.empty() ? "" : ", ") + part;
  return out;
}

std::string cluster_text(const Reason& reason) {
  const auto& rule = reason.rules.front();
  auto text = " by ClusterNetworkPolicy " + rule_text(rule, reason.direction);
  return text + " (" + std::string(name_of(reason.tier)) + ", priority " + std::to_string(reason.priority) +
         ")";
}

}  // namespace

uint32_t Reason::verdict() const {
  if (allows()) return WEFT_VERDICT_ALLOW;
  return kind == Kind::denied ? WEFT_VERDICT_DENY_ITSELF : WEFT_VERDICT_DENY;
}

std::string Reason::str() const {
  std::string text(name_of(direction));
  text += allows() ? " is allowed" : " is denied";
  switch (kind) {
    case Kind::rules: {
      std::vector<std::string> names;
      for (const auto& rule : rules) names.push_back(rule_text(rule, direction));
      return text + " by NetworkPolicy " + joined(names);
    }
    case Kind::isolation:
      return text + ": NetworkPolicy " + joined(policies) + " isolates the pod, and no rule allows it";
    case Kind::accepted:
    case Kind::denied:
      return text + cluster_text(*this);
    case Kind::no_policy:
      break;
  }
  return text + ": no policy decides";
}

json::object Reason::to_json() const {
  json::object out{
      {"verdict", allows() ? "allow" : "deny"}, {"direction", name_of(direction)}, {"kind", name_of(kind)}};
  if (kind == Kind::accepted || kind == Kind::denied) {
    out["tier"] = name_of(tier);
    out["priority"] = priority;
  }
  if (!rules.empty()) {
    json::array list;
    for (const auto& rule : rules) {
      json::object item{{"policy", rule.policy}, {"rule", rule.index}};
      if (!rule.name.empty()) item["name"] = rule.name;
      list.push_back(std::move(item));
    }
    out["rules"] = std::move(list);
  }
  if (!policies.empty()) {
    json::array list;
    for (const auto& policy : policies) list.emplace_back(policy);
    out["policies"] = std::move(list);
  }
  return out;
}

ReasonPtr ReasonTable::number(Reason reason) {
  if (auto at = by_reason_.find(reason); at != by_reason_.end()) return at->second;
  if (by_reason_.size() >= sweep_at_) forget_unused();
  auto number = stable_number(json::serialize(reason.to_json()), 1,
                              [this](uint32_t n) { return by_number_.contains(n); });
  auto made = std::make_shared<const NumberedReason>(number, ++made_, std::move(reason));
  by_reason_.emplace(made->reason, made);
  by_number_.emplace(made->number, made);
  return made;
}

ReasonPtr ReasonTable::find(uint32_t number) const {
  auto at = by_number_.find(number);
  return at == by_number_.end() ? nullptr : at->second;
}

/// The two maps hold each reason twice. Runs when the table has doubled, so that its cost is spread over what
/// made it grow; of the unused the latest thousand stay.
void ReasonTable::forget_unused() {
  constexpr uint32_t kKeep = 1024;
  std::erase_if(by_reason_, [&](const auto& entry) {
    bool unused = entry.second.use_count() == 2 && entry.second->serial + kKeep < made_;
    if (unused) by_number_.erase(entry.second->number);
    return unused;
  });
  sweep_at_ = std::max<size_t>(4096, by_reason_.size() * 2);
}

}  // namespace weft::policy
