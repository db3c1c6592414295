#include "ui/map.h"
#include "base/text.h"

#include <fmt/core.h>

#include <algorithm>

namespace weft::ui {
namespace {

uint16_t port_at(const json::value& flow, const char* path) {
  const auto* found = kube::at_path(flow, path);
  boost::system::error_code error;
  auto port = found ? found->to_number<uint16_t>(error) : 0;
  return error ? 0 : port;
}

class Seen {
 public:
  Seen(ServiceMap& map, const trace::World& world) : map_(map), world_(world) {}
  void add(const json::value& flow);

 private:
  struct Flow {
    std::string_view event, verdict, time;
    std::string from_pod, to_pod, from_address, to_address, service, protocol;
    std::string why;
    uint16_t port = 0, service_port = 0;
    bool failed() const { return verdict == "DROPPED" || verdict == "ERROR"; }
  };
  static Flow read(const json::value& flow);
  std::string source(const Flow& flow);
  std::string target(const Flow& flow);
  std::string service_between(const Flow& flow, const std::string& from, const std::string& to) const;
  bool is_known(const std::string& id) const { return map_.nodes.contains(id); }
  bool is_node(const std::string& address) const {
    auto parsed = IpAddr::parse(address);
    return parsed && world_.node_at.contains(*parsed);
  }
  void count(const std::string& from, const std::string& to, const Flow& flow, Question question);
  void make(const char* id, Column column, const char* name);

  ServiceMap& map_;
  const trace::World& world_;
};

Seen::Flow Seen::read(const json::value& flow) {
  auto text = [&](const char* path) { return kube::string_at(flow, path); };
  Flow out{.event = text("event"),
           .verdict = text("verdict"),
           .time = text("time"),
           .from_pod = std::string(text("from.pod")),
           .to_pod = std::string(text("to.pod")),
           .from_address = std::string(text("from.address")),
           .to_address = std::string(text("to.address")),
           .service = std::string(text("service.name")),
           .protocol = lower(text("protocol")),
           .why = std::string(text("why")),
           .port = port_at(flow, "to.port"),
           .service_port = port_at(flow, "service.port")};
  if (out.why.empty() && out.event == "failed")
    out.why = text("error").empty() ? "the client gave up waiting" : std::string(text("error"));
  return out;
}

void Seen::make(const char* id, Column column, const char* name) {
  map_.nodes.try_emplace(id, MapNode{.kind = "Outside",
                                     .namespace_ = {},
                                     .name = name,
                                     .column = column,
                                     .pods = {},
                                     .isolated = {},
                                     .problem = {}});
}

/// Empty: a node, whose probes are nobody's traffic.
std::string Seen::source(const Flow& flow) {
  if (!flow.from_pod.empty()) {
    auto at = map_.workload_of.find(flow.from_pod);
    return at == map_.workload_of.end() ? std::string() : at->second;
  }
  if (is_node(flow.from_address)) return {};
  make(kOutside, Column::clients, "outside");
  return kOutside;
}

/// Empty: it is behind a Service and no pod.
std::string Seen::target(const Flow& flow) {
  if (!flow.to_pod.empty()) {
    auto at = map_.workload_of.find(flow.to_pod);
    return at == map_.workload_of.end() ? std::string() : at->second;
  }
  if (!flow.service.empty() || is_node(flow.to_address)) return {};
  make(kElsewhere, Column::workloads, "elsewhere");
  return kElsewhere;
}

/// The Service that was asked, where the flow itself does not say: the only one that leads there.
std::string Seen::service_between(const Flow& flow, const std::string& from, const std::string& to) const {
  if (!flow.service.empty()) return flow.service;
  // A pod that connected without a Service did so.
  if (from != kOutside && flow.event != "decided") return {};
  auto at = map_.services_of.find({to, flow.port});
  if (at == map_.services_of.end() || at->second.size() != 1) return {};
  const auto& service = *at->second.begin();
  return from != kOutside || map_.edges.contains({kOutside, map_.service_at.at(service)}) ? service
                                                                                          : std::string();
}

void Seen::count(const std::string& from, const std::string& to, const Flow& flow, Question question) {
  auto& edge = map_.edges[{from, to}];
  edge.why.insert("seen");
  auto& traffic = edge.traffic;
  (flow.failed() ? traffic.failed : traffic.passed) += 1;
  (flow.failed() ? traffic.last_failed : traffic.last_passed) = flow.time;
  if (flow.failed()) traffic.why = flow.why;
  const bool asked = !edge.question.to.empty();
  // What fails is asked for rather than what is declared.
  if (!question.to.empty() && (!asked || flow.failed())) edge.question = std::move(question);
}

void Seen::add(const json::value& value) {
  auto flow = read(value);
  if (flow.event == "closed" || flow.verdict == "AUDIT" || flow.time.empty()) return;
  // The client's node has told of it already, with the Service.
  if (flow.event == "accepted" && !flow.from_pod.empty()) return;
  auto from = source(flow);
  auto to = target(flow);
  if (from.empty() || from == to) return;
  auto service = service_between(flow, from, to);
  auto at = map_.service_at.find(service);
  const bool through = at != map_.service_at.end() && is_known(at->second);
  if (!through && to.empty()) return;
  Question question{.from = from, .to = {}, .protocol = flow.protocol, .host = {}, .port = flow.port};
  // Of the pods of a workload the one that is meant.
  if (map_.nodes[from].pods.size() == 1) question.from = "pod/" + flow.from_pod;
  if (through) {
    question.to = "service/" + service;
    question.port = flow.service_port;
    if (question.port == 0 && !world_.services.at(service)->spec.ports.empty())
      question.port = static_cast<uint16_t>(world_.services.at(service)->spec.ports.front().port);
    count(from, at->second, flow, std::move(question));
    // That somebody is denied is not the Service's affair.
    if (!to.empty() && is_known(to) && flow.verdict != "DROPPED" && flow.why != "the client gave up waiting")
      count(at->second, to, flow, {});
    return;
  }
  question.to = flow.to_pod.empty() ? flow.to_address : "pod/" + flow.to_pod;
  if (map_.nodes[to].column == Column::clients) map_.nodes[to].column = Column::workloads;
  count(from, to, flow, std::move(question));
}

std::string_view state_of(const MapEdge& edge, const std::string& lately) {
  const auto& traffic = edge.traffic;
  if (!edge.problem.empty()) return "failing";
  if (traffic.failed > 0 && (traffic.last_failed >= lately || traffic.last_failed >= traffic.last_passed))
    return "failing";
  return traffic.passed > 0 ? "working" : "unused";
}

json::object node_json(const std::string& id, const MapNode& node) {
  return {{"id", id},
          {"kind", node.kind},
          {"namespace", node.namespace_},
          {"name", node.name},
          {"column", static_cast<int>(node.column)},
          {"pods", node.pods.size()},
          {"ready", node.ready},
          {"isolated", json::array(node.isolated.begin(), node.isolated.end())},
          {"problem", node.problem}};
}

json::object edge_json(const ServiceMap::Ends& ends, const MapEdge& edge, const std::string& lately) {
  const auto& traffic = edge.traffic;
  return {{"from", ends.first},
          {"to", ends.second},
          {"declared", json::array(edge.why.begin(), edge.why.end())},
          {"state", state_of(edge, lately)},
          {"passed", traffic.passed},
          {"failed", traffic.failed},
          {"lastPassed", traffic.last_passed},
          {"lastFailed", traffic.last_failed},
          {"why", edge.problem.empty() ? traffic.why : edge.problem},
          {"question", edge.question.to_json()}};
}

}  // namespace

json::object Question::to_json() const {
  json::object out{{"from", from}, {"to", to}, {"protocol", protocol}};
  if (port != 0) out["port"] = port;
  // Of a list with one list in it the initializer would be a copy.
  if (!host.empty()) out["headers"] = json::array(1, json::array{"host", host});
  return out;
}

void add_flows(ServiceMap& map, const trace::World& world,
               std::span<const std::shared_ptr<const json::value>> flows) {
  Seen seen(map, world);
  for (const auto& flow : flows) seen.add(*flow);
}

json::object to_json(const ServiceMap& map, const std::string& lately) {
  json::array nodes, edges;
  std::set<std::string> namespaces;
  for (const auto& [id, node] : map.nodes) {
    nodes.push_back(node_json(id, node));
    if (!node.namespace_.empty()) namespaces.insert(node.namespace_);
  }
  for (const auto& [ends, edge] : map.edges) {
    if (map.nodes.contains(ends.first) && map.nodes.contains(ends.second))
      edges.push_back(edge_json(ends, edge, lately));
  }
  return {{"nodes", std::move(nodes)},
          {"edges", std::move(edges)},
          {"namespaces", json::array(namespaces.begin(), namespaces.end())},
          {"notes", json::array(map.notes.begin(), map.notes.end())}};
}

}  // namespace weft::ui
