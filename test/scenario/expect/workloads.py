"""Random pods and Services."""
from chance import apps, between, choice, namespaces, nodes, some, teams, thing


def container():
    """All listen at the same ports: what no object declares nobody can foretell."""
    return {"name": "echo", "image": "weft/echo",
            "env": [{"name": "PORT", "value": "8080"}, {"name": "TCP_PORT", "value": "9090"}, {"name": "UDP_PORT", "value": "5353"}],
            "ports": [{"name": "http", "containerPort": 8080}, {"name": "raw", "containerPort": 9090},
                      {"name": "dgram", "containerPort": 5353, "protocol": "UDP"}]}


def never_ready(pod, index):
    """The probe says so to the cluster, the status to whoever reads manifests alone."""
    # A pod whose manifest has a status has to have an address as well: one of its node's range that others do not get.
    number = list(nodes).index(pod["spec"]["nodeName"])
    address = f"10.244.{number * 4 + 3}.{index + 1}"
    pod["spec"]["containers"][0]["readinessProbe"] = {"tcpSocket": {"port": 1}, "periodSeconds": 1}
    pod["status"] = {"phase": "Running", "podIP": address,
                     "podIPs": [{"ip": address}, {"ip": f"fd00:244:{number}::fa{index:x}"}],
                     "conditions": [{"type": "Ready", "status": "False"}]}


def make_pod(index, services):
    namespace = choice(namespaces)
    spec = {"nodeName": choice(list(nodes)), "terminationGracePeriodSeconds": 0, "containers": [container()]}
    pod = thing("Pod", "v1", f"pod-{index}", spec, namespace,
                labels={"app": choice(apps), "team": choice(teams)})
    if index < 2 and some(0.5):
        # Pods of one node's network share its ports.
        spec.update({"nodeName": list(nodes)[index], "hostNetwork": True, "dnsPolicy": choice(["ClusterFirstWithHostNet", "ClusterFirst"])})
        return pod
    if some(0.15):
        spec["dnsConfig"] = choice([{"options": [{"name": "ndots", "value": "1"}]},
                                    {"searches": [f"{choice(namespaces)}.svc.cluster.local"]}])
    elif some(0.05):
        spec["dnsPolicy"] = "Default"
    headless = [one for one in services if one["spec"].get("clusterIP") == "None" and one["metadata"]["namespace"] == namespace]
    if headless and some(0.7):
        spec["hostname"], spec["subdomain"] = f"host-{index}", choice(headless)["metadata"]["name"]
    if some(0.12):
        never_ready(pod, index)
    return pod


def make_ports():
    ports = [{"name": "web", "port": 80, "targetPort": choice([8080, 8080, 8080, "http", "http", "http", "nothing"])}]
    if some(0.6):
        ports.append({"name": "raw", "port": 90, "targetPort": choice([9090, "raw"])})
    if some(0.5):
        ports.append({"name": "dgram", "port": 53, "protocol": "UDP", "targetPort": choice([5353, "dgram"])})
    return ports


def open_to_outside(spec, index):
    spec["type"] = choice(["NodePort", "LoadBalancer", "LoadBalancer"])
    if some(0.5):
        spec["externalTrafficPolicy"] = "Local"
    if spec["type"] == "NodePort":
        # Written, so that connections can name them; of those that no Service gets unasked.
        for number, port in enumerate(spec["ports"]):
            port["nodePort"] = 30000 + 3 * index + number
        return
    if some(0.2):
        spec["allocateLoadBalancerNodePorts"] = False
    if some(0.3):
        # Clients of documentation's addresses are those that manifests alone take for outside.
        spec["loadBalancerSourceRanges"] = choice([["192.0.2.0/24"], ["203.0.113.0/24", "2001:db8::/32", "172.30.0.0/16", "fd00:172::/32"]])


def make_service(index):
    spec = {"selector": {"app": choice(apps * 3 + ["nobody"])}, "ports": make_ports()}
    if some(0.3):
        spec["selector"]["team"] = choice(teams)
    if some(0.2):
        spec["publishNotReadyAddresses"] = True
    if some(0.2):
        spec["sessionAffinity"] = "ClientIP"
    spec.update(choice([{}, {}, {"ipFamilyPolicy": "PreferDualStack"}, {"ipFamilyPolicy": "RequireDualStack"}, {"ipFamilies": ["IPv6"]},
                        {"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv6", "IPv4"]}]))
    if some(0.2):
        spec["clusterIP"] = "None"
        return thing("Service", "v1", f"svc-{index}", spec, choice(namespaces))
    if some(0.2):
        spec["internalTrafficPolicy"] = "Local"
    if some(0.25):
        spec["trafficDistribution"] = choice(["PreferClose", "PreferSameNode"])
    if some(0.35):
        open_to_outside(spec, index)
    if some(0.15) and "ipFamilies" not in spec:
        spec["externalIPs"] = [f"198.51.100.{index + 1}"]
    return thing("Service", "v1", f"svc-{index}", spec, choice(namespaces))


def make_external_name(index, services):
    other = choice(services)["metadata"]
    spec = {"type": "ExternalName", "externalName": f"{other['name']}.{other['namespace']}.svc.cluster.local"}
    return thing("Service", "v1", f"alias-{index}", spec, choice(namespaces))


def make_workloads():
    services = [make_service(index) for index in range(between(6, 10))]
    pods = [make_pod(index, services) for index in range(between(8, 14))]
    aliases = [make_external_name(index, services) for index in range(2)]
    return pods, services, aliases
