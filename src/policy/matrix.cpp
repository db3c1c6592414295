#include "policy/matrix.h"

#include <fmt/core.h>
#include <netinet/in.h>

#include <algorithm>
#include <map>
#include <tuple>

namespace weft::policy {
namespace {

constexpr const char* kTemplateHash = "pod-template-hash";

struct Port {
  uint8_t protocol = 0;
  uint16_t port = 0;
  auto operator<=>(const Port&) const = default;
};

/// A Deployment's ReplicaSet is named after it and the hash of the template.
std::string owner_of(const kube::Pod& pod) {
  const auto& meta = pod.metadata;
  auto owner = std::ranges::find(meta.ownerReferences, true,
                                 [](const auto& reference) { return reference.controller.value_or(false); });
  if (owner == meta.ownerReferences.end()) return meta.namespace_ + "/" + meta.name;
  auto name = owner->name;
  auto hash = meta.labels.find(kTemplateHash);
  if (owner->kind == "ReplicaSet" && hash != meta.labels.end() && name.ends_with("-" + hash->second))
    name.resize(name.size() - hash->second.size() - 1);
  return meta.namespace_ + "/" + name;
}

std::vector<Port> declared_ports(const kube::Pod& pod) {
  std::vector<Port> out;
  for (const auto& container : pod.spec.containers) {
    for (const auto& port : container.ports) {
      auto protocol = protocol_number(port.protocol.empty() ? "TCP" : port.protocol);
      if (protocol) out.push_back({*protocol, static_cast<uint16_t>(port.containerPort)});
    }
  }
  if (out.empty()) out.push_back({IPPROTO_TCP, 80});
  std::ranges::sort(out);
  out.erase(std::ranges::unique(out).begin(), out.end());
  return out;
}

/// Pods that policies cannot tell apart: what is asked of one holds for all.
struct Kind {
  std::string owner;
  std::vector<uint32_t> identities;
  PodEntry entry;  ///< without the pod
  std::string host;
  std::vector<Port> ports;
  auto operator<=>(const Kind&) const = default;
};

class Maker {
 public:
  Maker(const PolicyPlan& plan, const MatrixOptions& options) : plan_(plan), options_(options) {
    auto all = plan.everything();
    identities_.insert(all.identities.begin(), all.identities.end());
  }

  void add(const kube::Pod& pod) {
    auto key = pod.metadata.namespace_ + "/" + pod.metadata.name;
    auto addresses = plan_.addresses_of(key);
    bool over = pod.status.phase == "Succeeded" || pod.status.phase == "Failed";
    bool asked = options_.namespace_.empty() || options_.namespace_ == pod.metadata.namespace_;
    if (addresses.empty() || over || !asked) return;
    Kind kind{.owner = owner_of(pod), .identities = {}, .entry = {}, .host = {}, .ports = ports_of(pod)};
    if (auto entry = plan_.entry_of(key)) kind.entry = {{}, {}, entry->subject, entry->flags};
    if (pod.spec.hostNetwork) kind.host = pod.spec.nodeName;
    for (const auto& address : addresses) {
      auto at = identities_.find(IpPrefix{address, address.bits()});
      kind.identities.push_back(at == identities_.end() ? WEFT_IDENTITY_ANY : at->second);
    }
    kinds_[kind].push_back(key);
  }

  Matrix run() {
    for (auto& [kind, pods] : kinds_) {
      std::ranges::sort(pods);
      classes_.push_back({&kind, pods});
    }
    ask_all();
    merge();
    return result();
  }

 private:
  struct Class {
    const Kind* kind;
    std::vector<std::string> pods;
  };

  std::vector<Port> ports_of(const kube::Pod& pod) const {
    if (options_.port) return {{options_.protocol, *options_.port}};
    return declared_ports(pod);
  }

  void ask_all() {
    cells_.resize(classes_.size());
    for (size_t from = 0; from < classes_.size(); ++from) {
      for (size_t to = 0; to < classes_.size(); ++to) {
        const auto& sources = classes_[from].pods;
        const auto& destinations = classes_[to].pods;
        cells_[from].push_back(from != to           ? ask(sources[0], destinations[0], *classes_[to].kind)
                               : sources.size() > 1 ? ask(sources[0], sources[1], *classes_[to].kind)
                                                    : MatrixCell{.self = true, .ports = {}});
      }
    }
  }

  MatrixCell ask(const std::string& from, const std::string& to, const Kind& kind) const {
    MatrixCell cell;
    for (const auto& port : kind.ports) {
      std::vector<PortVerdict> families;
      for (const auto& destination : plan_.addresses_of(to)) {
        auto sources = plan_.addresses_of(from);
        auto source = std::ranges::find(sources, destination.is_v4(), &IpAddr::is_v4);
        if (source == sources.end()) continue;
        auto answer = plan_.evaluate({from, *source}, {to, destination}, port.protocol, port.port);
        if (answer) families.push_back(verdict_of(*answer, port, destination));
      }
      bool same = std::ranges::all_of(families, [&](const PortVerdict& one) {
        return one.allowed == families[0].allowed && one.audit == families[0].audit;
      });
      if (same && !families.empty()) {
        families.resize(1);
        families[0].family.clear();
      }
      cell.ports.insert(cell.ports.end(), families.begin(), families.end());
    }
    return cell;
  }

  static PortVerdict verdict_of(const Evaluation& answer, const Port& port, const IpAddr& destination) {
    PortVerdict out{.protocol = port.protocol,
                    .port = port.port,
                    .family = destination.is_v4() ? "IPv4" : "IPv6",
                    .allowed = answer.allowed,
                    .egress = answer.egress ? answer.egress->why : std::string(),
                    .ingress = answer.ingress ? answer.ingress->why : std::string()};
    out.audit = (answer.egress && answer.egress->audit) || (answer.ingress && answer.ingress->audit);
    return out;
  }

  /// Classes of one owner that differ in nothing that can be seen.
  void merge() {
    std::map<std::string, std::vector<size_t>> by_owner;
    for (size_t i = 0; i < classes_.size(); ++i) {
      auto& leaders = by_owner[classes_[i].kind->owner];
      auto leader = std::ranges::find_if(leaders, [&](size_t other) { return alike(groups_[other], i); });
      if (leader == leaders.end()) {
        leaders.push_back(groups_.size());
        groups_.push_back({i});
      } else {
        groups_[*leader].push_back(i);
      }
    }
    for (const auto& [owner, leaders] : by_owner) whole_[owner] = leaders.size() == 1;
  }

  bool alike(const std::vector<size_t>& group, size_t one) const {
    size_t leader = group[0];
    if (classes_[leader].kind->ports != classes_[one].kind->ports) return false;
    // All that members say to one another has to be the same too.
    const auto& among = cells_[leader][one];
    for (size_t other = 0; other < classes_.size(); ++other) {
      if (other == leader || other == one) continue;
      if (cells_[leader][other] != cells_[one][other] || cells_[other][leader] != cells_[other][one])
        return false;
    }
    auto fits = [&](const MatrixCell& cell) { return cell.self || cell == among; };
    return cells_[one][leader] == among && fits(cells_[leader][leader]) && fits(cells_[one][one]) &&
           (group.size() == 1 || cells_[leader][group[1]] == among);
  }

  Matrix result() const {
    std::vector<std::pair<MatrixGroup, size_t>> named;
    for (size_t i = 0; i < groups_.size(); ++i) {
      MatrixGroup group;
      for (size_t one : groups_[i])
        group.pods.insert(group.pods.end(), classes_[one].pods.begin(), classes_[one].pods.end());
      std::ranges::sort(group.pods);
      const auto& owner = classes_[groups_[i][0]].kind->owner;
      group.name = whole_.at(owner) ? owner : group.pods[0];
      named.emplace_back(std::move(group), i);
    }
    std::ranges::sort(named, {}, [](const auto& entry) { return std::tie(entry.first.name, entry.second); });
    Matrix out{.groups = {}, .cells = {}, .only_port = options_.port.has_value()};
    for (const auto& [group, from] : named) {
      out.groups.push_back(group);
      auto& row = out.cells.emplace_back();
      for (const auto& [other, to] : named) row.push_back(cell_of(groups_[from], groups_[to]));
    }
    return out;
  }

  const MatrixCell& cell_of(const std::vector<size_t>& from, const std::vector<size_t>& to) const {
    bool inside = from[0] == to[0] && from.size() > 1;
    return cells_[from[0]][inside ? from[1] : to[0]];
  }

  const PolicyPlan& plan_;
  const MatrixOptions& options_;
  std::map<IpPrefix, uint32_t> identities_;
  std::map<Kind, std::vector<std::string>> kinds_;
  std::vector<Class> classes_;
  std::vector<std::vector<MatrixCell>> cells_;  ///< of classes
  std::vector<std::vector<size_t>> groups_;     ///< classes
  std::map<std::string, bool> whole_;           ///< by owner: all its pods are in one group
};

std::string with_family(const PortVerdict& port) {
  auto text = fmt::format("{} {}", protocol_name(port.protocol), port.port);
  return port.family.empty() ? text : text + " " + port.family;
}

json::object to_json(const PortVerdict& port) {
  json::object out{{"protocol", protocol_name(port.protocol)},
                   {"port", port.port},
                   {"verdict", !port.allowed ? "denied"
                               : port.audit  ? "audit"
                                             : "allowed"},
                   {"egress", port.egress},
                   {"ingress", port.ingress}};
  if (!port.family.empty()) out["family"] = port.family;
  return out;
}

}  // namespace

std::string MatrixCell::str(bool only_port) const {
  if (self) return "-";
  if (ports.empty()) return "no way";  // they share no family of addresses
  auto allowed = static_cast<size_t>(std::ranges::count(ports, true, &PortVerdict::allowed));
  bool audit = std::ranges::any_of(ports, &PortVerdict::audit);
  if (allowed == 0) return only_port ? "denied" : "none";
  if (allowed == ports.size() && only_port) return audit ? "audit" : "allowed";
  std::string text;
  for (const auto& port : ports) {
    if (allowed < ports.size() && port.allowed) text += (text.empty() ? "" : ", ") + with_family(port);
  }
  if (text.empty()) text = "all";
  return audit ? text + " (audit)" : text;
}

json::object Matrix::to_json() const {
  json::array all, list;
  for (const auto& group : groups)
    all.push_back(json::object{{"name", group.name}, {"pods", json::value_from(group.pods)}});
  for (size_t from = 0; from < groups.size(); ++from) {
    for (size_t to = 0; to < groups.size(); ++to) {
      const auto& cell = cells[from][to];
      json::array ports;
      for (const auto& port : cell.ports) ports.push_back(policy::to_json(port));
      list.push_back(json::object{{"from", groups[from].name},
                                  {"to", groups[to].name},
                                  {"verdict", cell.self ? "self" : cell.str(only_port)},
                                  {"ports", std::move(ports)}});
    }
  }
  return {{"groups", std::move(all)}, {"cells", std::move(list)}};
}

Matrix make_matrix(const PolicyPlan& plan, const std::vector<kube::Pod>& pods, const MatrixOptions& options) {
  Maker maker(plan, options);
  for (const auto& pod : pods) maker.add(pod);
  return maker.run();
}

}  // namespace weft::policy
