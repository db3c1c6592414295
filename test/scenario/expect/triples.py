#!/usr/bin/env python3
"""triples.py SEED COUNT FOLDER: a random cluster (manifests.yaml, nodes.yaml) and COUNT random connections in it
(triples.weft.yaml), of which nothing is expected but that prediction and packets agree. The same seed makes the same."""
import json
import random
import sys

seed, count, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
pick = random.Random(seed)
namespaces = ["red", "green", "blue"]
apps = ["one", "two", "three"]
nodes = ["node-1", "node-2"]


def some(chance):
    return pick.random() < chance


def make_pod(index):
    container = {
        "name": "echo", "image": "weft/echo",
        "env": [{"name": "PORT", "value": "8080"}, {"name": "TCP_PORT", "value": "9090"}, {"name": "UDP_PORT", "value": "5353"}],
        "ports": [{"name": "http", "containerPort": 8080}, {"name": "raw", "containerPort": 9090},
                  {"name": "dgram", "containerPort": 5353, "protocol": "UDP"}],
    }
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": f"pod-{index}", "namespace": pick.choice(namespaces),
                         "labels": {"app": pick.choice(apps), "team": pick.choice(["x", "y"])}},
            "spec": {"nodeName": pick.choice(nodes), "terminationGracePeriodSeconds": 0, "containers": [container]}}


def make_service(index):
    ports = [{"name": "web", "port": 80, "targetPort": pick.choice([8080, 8080, 8080, "http", "http", "http", "nothing"])}]
    if some(0.6):
        ports.append({"name": "raw", "port": 90, "targetPort": pick.choice([9090, "raw"])})
    if some(0.5):
        ports.append({"name": "dgram", "port": 53, "protocol": "UDP", "targetPort": pick.choice([5353, "dgram"])})
    spec = {"selector": {"app": pick.choice(apps * 3 + ["nobody"])}, "ports": ports}
    if some(0.3):
        spec["selector"]["team"] = pick.choice(["x", "y"])
    if some(0.2):
        spec["internalTrafficPolicy"] = "Local"
    if some(0.3):
        spec["ipFamilyPolicy"] = "PreferDualStack"
    if some(0.4):
        spec["type"] = "NodePort"
        spec["externalTrafficPolicy"] = pick.choice(["Local", "Cluster"])
        for number, port in enumerate(ports):
            port["nodePort"] = 31000 + 10 * index + number
    return {"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": f"svc-{index}", "namespace": pick.choice(namespaces)}, "spec": spec}


def make_selector():
    form = pick.randrange(4)
    if form == 0:
        return {}
    if form == 1:
        return {"matchLabels": {"app": pick.choice(apps)}}
    if form == 2:
        return {"matchLabels": {"app": pick.choice(apps), "team": pick.choice(["x", "y"])}}
    return {"matchExpressions": [{"key": "app", "operator": pick.choice(["In", "NotIn"]),
                                  "values": pick.sample(apps, pick.randint(1, 2))}]}


def make_peer():
    form = pick.randrange(6)
    if form == 0:
        return {"podSelector": make_selector()}
    if form == 1:
        return {"namespaceSelector": {}}
    if form == 2:
        return {"ipBlock": {"cidr": "10.244.0.0/16", "except": [pick.choice(["10.244.0.0/22", "10.244.4.0/22"])]}}
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": pick.choice(namespaces)}}}
    if form >= 4:
        peer["podSelector"] = make_selector()
    return peer


def make_ports():
    known = [{"port": 8080}, {"port": "http"}, {"port": 9090}, {"port": "raw"}, {"port": 80},
             {"port": 5353, "protocol": "UDP"}, {"port": 8000, "endPort": 9500}]
    return pick.sample(known, pick.randint(1, 3))


def make_rules(direction):
    rules = []
    for _ in range(pick.randint(0, 2)):
        rule = {}
        if some(0.8):
            rule["from" if direction == "ingress" else "to"] = [make_peer() for _ in range(pick.randint(1, 2))]
        if some(0.4):
            rule["ports"] = make_ports()
        rules.append(rule)
    if direction == "egress" and some(0.7):
        rules.append({"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]})
    return rules


def make_policy(index):
    types = pick.choice([["Ingress"], ["Egress"], ["Ingress", "Egress"]])
    spec = {"podSelector": make_selector(), "policyTypes": types}
    for direction in types:
        spec[direction.lower()] = make_rules(direction.lower())
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": f"policy-{index}", "namespace": pick.choice(namespaces)}, "spec": spec}


def make_cluster_policy():
    team = {"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": pick.choice(namespaces)}}}
    peer = {"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": pick.choice(namespaces)}}}
    return {"apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy", "metadata": {"name": "tier"},
            "spec": {"tier": pick.choice(["Admin", "Baseline"]), "priority": 10, "subject": team,
                     "ingress": [{"name": "rule", "action": pick.choice(["Accept", "Deny"]), "from": [peer]}]}}


pods = [make_pod(index) for index in range(8)]
services = [make_service(index) for index in range(6)]
policies = [make_policy(index) for index in range(6)] + ([make_cluster_policy()] if some(0.7) else [])


def key(thing):
    return thing["metadata"]["namespace"] + "/" + thing["metadata"]["name"]


def make_connection():
    source = key(pick.choice(pods)) if some(0.95) else pick.choice(["node/node-1", "node/node-2"])
    if some(0.3):
        port, protocol = pick.choice([(8080, "tcp"), (9090, "tcp"), (5353, "udp")])
        return {"from": source, "to": "pod/" + key(pick.choice(pods)), "port": port, "protocol": protocol}
    service = pick.choice(services)
    port = pick.choice(service["spec"]["ports"])
    protocol = port.get("protocol", "TCP").lower()
    if "nodePort" in port and some(0.5):
        return {"from": source if some(0.7) else "outside", "to": "node/" + pick.choice(nodes), "port": port["nodePort"], "protocol": protocol}
    number = port["port"] if some(0.9) else 81
    if protocol == "tcp" and port["name"] == "web" and not source.startswith("node/") and some(0.5):
        name = ".".join(reversed(key(service).split("/")))
        if some(0.2):
            name = name.split(".")[0]
        return {"from": source, "to": f"http://{name}{'' if number == 80 else ':' + str(number)}/"}
    return {"from": source, "to": "service/" + key(service), "port": number, "protocol": protocol}


with open(folder + "/manifests.yaml", "w") as out:
    for thing in [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in namespaces] + pods + services + policies:
        out.write("---\n" + json.dumps(thing) + "\n")
with open(folder + "/nodes.yaml", "w") as out:
    for name in nodes:
        out.write("---\n" + json.dumps({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}) + "\n")
with open(folder + "/triples.weft.yaml", "w") as out:
    # A line each, so that a failure names its own.
    out.write("apiVersion: weft.dev/v1alpha1\nkind: Expectations\nexpectations:\n")
    for _ in range(count):
        out.write("  - " + json.dumps(make_connection()) + "\n")
