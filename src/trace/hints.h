#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "trace/world.h"

/// Why something is not there, and what is there instead: for people whose objects do not fit together.
namespace weft::trace {

struct Hint {
  std::string reason;
  std::string fix;
};

/// Of a Service none of whose endpoints takes this port's traffic.
Hint why_no_endpoints(const World& world, const std::string& service, const kube::ServicePort& port, bool v6);

/// Of a Service that is asked for a port that it does not have; `port` in host order, `protocol` IPPROTO_….
Hint why_no_port(const World& world, const std::string& service, uint16_t port, uint8_t protocol);

/// Of a name under the cluster's domain that nobody has, as a client of namespace `ns` asked for it.
Hint why_no_name(const World& world, const std::string& host, const std::string& ns);

/// The rules that decided; where none did, the policies that isolate the pod.
std::vector<ObjectRef> refs_of(const World& world, const policy::Reason& reason);

/// One whose pods a selector would match, if it had any; nullptr: none.
const IdleWorkload* idle_workload(const World& world, const std::string& ns, const kube::StringMap& selector);

/// What would mend what a condition of a Gateway, a listener or a route complains of, by its reason; "":
/// nothing is known.
std::string fix_of_condition(std::string_view reason);

/// How many letters differ; 3: more than two.
int distance(std::string_view a, std::string_view b);

/// "TCP".
std::string protocol_text(uint8_t protocol);

/// "a=b, c=d".
std::string labels_text(const kube::StringMap& labels);

}  // namespace weft::trace
