"""Random NetworkPolicies and ClusterNetworkPolicies."""
from chance import apps, between, choice, namespaces, nodes, sample, some, teams, thing

# Pods, nodes and outside, of both families, and parts of them.
BLOCKS = [{"cidr": "10.244.0.0/16", "except": ["10.244.0.0/22"]}, {"cidr": "10.244.0.0/16", "except": ["10.244.4.0/22"]},
          {"cidr": "0.0.0.0/0", "except": ["10.244.0.0/16"]}, {"cidr": "::/0"}, {"cidr": "0.0.0.0/0"}, {"cidr": "10.244.0.0/16"}]


def make_selector():
    return choice([
        lambda: {},
        lambda: {"matchLabels": {"app": choice(apps)}},
        lambda: {"matchLabels": {"app": choice(apps), "team": choice(teams)}},
        lambda: {"matchExpressions": [{"key": "app", "operator": choice(["In", "NotIn"]), "values": sample(apps, between(1, 2))}]},
        lambda: {"matchExpressions": [{"key": choice(["team", "nowhere"]), "operator": choice(["Exists", "DoesNotExist"])}]},
    ])()


def make_namespaces():
    name = "kubernetes.io/metadata.name"
    return choice([
        lambda: {},
        lambda: {"matchLabels": {name: choice(namespaces)}},
        lambda: {"matchLabels": {"colour": choice(["warm", "cold"])}},
        lambda: {"matchExpressions": [{"key": name, "operator": choice(["In", "NotIn"]), "values": sample(namespaces, between(1, 2))}]},
    ])()


def make_peer():
    return choice([
        lambda: {"podSelector": make_selector()},
        lambda: {"ipBlock": choice(BLOCKS)},
        lambda: {"namespaceSelector": make_namespaces()},
        lambda: {"namespaceSelector": make_namespaces(), "podSelector": make_selector()},
    ])()


def make_ports():
    known = [{"port": 8080}, {"port": "http"}, {"port": 9090}, {"port": "raw"}, {"port": 80}, {"protocol": "UDP"}, {"port": "dgram", "protocol": "UDP"},
             {"port": 5353, "protocol": "UDP"}, {"port": 8000, "endPort": 9500}, {"port": 8081, "endPort": 30000}]
    return sample(known, between(1, 3))


def make_rules(direction):
    rules = []
    for _ in range(between(0, 2)):
        rule = {}
        if some(0.8):
            rule["from" if direction == "ingress" else "to"] = [make_peer() for _ in range(between(1, 2))]
        if some(0.4):
            rule["ports"] = make_ports()
        rules.append(rule)
    # All of DNS or none: a resolver waits 5 s before it asks the server of the other family.
    reaches_nodes = any(peer.get("ipBlock", {}).get("cidr", "").endswith("/0") for rule in rules for peer in rule.get("to", []))
    if direction == "egress" and (reaches_nodes or some(0.7)):
        rules.append({"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]})
    return rules


def make_policy(index):
    types = choice([["Ingress"], ["Ingress"], ["Egress"], ["Ingress", "Egress"]])
    spec = {"podSelector": make_selector(), "policyTypes": types}
    for direction in types:
        spec[direction.lower()] = make_rules(direction.lower())
    return thing("NetworkPolicy", "networking.k8s.io/v1", f"policy-{index}", spec, choice(namespaces))


def make_subject():
    return choice([lambda: {"namespaces": make_namespaces()},
                   lambda: {"pods": {"namespaceSelector": make_namespaces(), "podSelector": make_selector()}}])()


def make_cluster_rule(index, direction):
    peers = [make_subject] * 2
    if direction == "egress":
        peers += [lambda: {"networks": choice([["10.244.0.0/16"], ["10.244.0.0/16", "fd00:244::/48"], ["10.244.4.0/22"], ["0.0.0.0/0", "::/0"]])},
                  lambda: {"nodes": {"matchLabels": {"kubernetes.io/hostname": choice(list(nodes))}}}]
    rule = {"name": f"rule-{index}", "action": choice(["Accept", "Deny", "Pass"]),
            "from" if direction == "ingress" else "to": [choice(peers)() for _ in range(between(1, 2))]}
    if some(0.5):
        protocols = [{"tcp": {"destinationPort": {"number": 8080}}}, {"tcp": {"destinationPort": {"range": {"start": 8081, "end": 9500}}}},
                     {"udp": {"destinationPort": {"number": 5353}}}]
        # Only pods have ports with names.
        if not any("networks" in peer or "nodes" in peer for peer in rule.get("to", [])):
            protocols.append({"destinationNamedPort": choice(["http", "raw"])})
        rule["protocols"] = [choice(protocols)]
    return rule


def make_cluster_policy(index):
    spec = {"tier": choice(["Admin", "Baseline"]), "priority": between(0, 3) * 10 + index, "subject": make_subject()}
    for direction in choice([["ingress"], ["ingress"], ["egress"], ["ingress", "egress"]]):
        spec[direction] = [make_cluster_rule(number, direction) for number in range(between(1, 3))]
    return thing("ClusterNetworkPolicy", "policy.networking.k8s.io/v1alpha2", f"tier-{index}", spec)


def make_policies():
    # Few pods are isolated when there are few, and nothing gets anywhere when there are many.
    return [make_policy(index) for index in range(between(0, 7))] + [make_cluster_policy(index) for index in range(between(0, 3))]
