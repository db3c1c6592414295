#!/usr/bin/env python3
"""triples.py SEED COUNT FOLDER: a random cluster (manifests.yaml, nodes.yaml) and COUNT random connections in it
(triples.weft.yaml), of which nothing is expected but that prediction and packets agree. The same seed makes the same."""
import json
import sys

from chance import choice, dice, key, name_of, namespaces, nodes, some, thing
from policies import make_policies
from routes import PATHS, make_request, make_routes
from workloads import make_workloads

seed, count, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
dice.seed(seed)
pods, services, aliases = make_workloads()
gateways, routes = make_routes(services)
entered = [one for one in services if "externalIPs" not in one["spec"]]
has_ingress = any(one["kind"] == "Ingress" for one in routes)
policies = make_policies()


def make_source():
    if some(0.85):
        return key(choice(pods))
    return choice(["outside", "node/" + choice(list(nodes))])


def to_pod():
    pod = choice(pods)
    port = choice(pod["spec"]["containers"][0]["ports"])
    return {"to": "pod/" + key(pod), "port": port["containerPort"], "protocol": port.get("protocol", "TCP").lower()}


def to_service(among=services):
    service = choice(among)
    port = choice(service["spec"]["ports"])
    return {"to": "service/" + key(service), "port": port["port"] if some(0.95) else 81, "protocol": port.get("protocol", "TCP").lower()}


def to_external_address():
    at = [one for one in services if "externalIPs" in one["spec"]]
    return {"to": choice(at)["spec"]["externalIPs"][0], "port": 80} if at else to_service()


def to_node_port():
    ports = [port["nodePort"] for one in services for port in one["spec"]["ports"] if "nodePort" in port and port.get("protocol", "TCP") == "TCP"]
    return {"to": "node/" + choice(list(nodes)), "port": choice(ports)} if ports else to_service(entered)


def url(name, port=80):
    return {"to": f"http://{name}{'' if port == 80 else f':{port}'}{choice(PATHS)}"}


def is_headless(name):
    return any(name.startswith(name_of(one) + ".") and one["spec"].get("clusterIP") == "None" for one in services)


def to_name():
    if some(0.15):
        alias = choice(aliases)
        return url(name_of(alias), 8080 if is_headless(alias["spec"]["externalName"]) else 80)
    service = choice(services)
    name = choice([name_of(service), name_of(service), service["metadata"]["name"], name_of(service) + ".svc.cluster.local."])
    # A headless one has no ports of its own: whether a pod listens at a port that it does not declare, no object says.
    return url(name, 8080 if service["spec"].get("clusterIP") == "None" else 80)


def to_host_of_pod():
    named = [pod for pod in pods if "subdomain" in pod["spec"]]
    if not named:
        return to_name()
    pod = choice(named)
    return url(f"{pod['spec']['hostname']}.{pod['spec']['subdomain']}.{pod['metadata']['namespace']}.svc.cluster.local", 8080)


def to_gateway():
    if not gateways:
        return to_service(entered)
    return url("old.shop.example") if has_ingress and some(0.3) else make_request(gateways)


def make_connection():
    source = make_source()
    inside = [to_pod, to_service, to_service, to_name, to_name, to_gateway, to_host_of_pod, to_external_address, to_node_port]
    # From nodes and outside no names of the cluster are asked for; outside knows no pods, and has no way to externalIPs.
    from_node = [to_pod, to_service, to_service, to_gateway, to_node_port]
    from_outside = [lambda: to_service(entered), to_gateway, to_node_port]
    ways = from_outside if source == "outside" else from_node if source.startswith("node/") else inside
    return {"from": source, **choice(ways)()}


with open(folder + "/manifests.yaml", "w") as out:
    colours = {"red": "warm", "green": "cold", "blue": "cold"}
    spaces = [thing("Namespace", "v1", name, None, labels={"colour": colours[name]}) for name in namespaces]
    for one in spaces + pods + services + aliases + policies + gateways + routes:
        out.write("---\n" + json.dumps(one) + "\n")
with open(folder + "/nodes.yaml", "w") as out:
    for name, zone in nodes.items():
        out.write("---\n" + json.dumps(thing("Node", "v1", name, None, labels={"topology.kubernetes.io/zone": zone,
                                                                               "kubernetes.io/hostname": name})) + "\n")
with open(folder + "/triples.weft.yaml", "w") as out:
    # A line each, so that a failure names its own.
    out.write("apiVersion: weft.dev/v1alpha1\nkind: Expectations\nexpectations:\n")
    for _ in range(count):
        out.write("  - " + json.dumps(make_connection()) + "\n")
