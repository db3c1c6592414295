"""Random Gateways, routes and Ingresses, and routes of Services."""
from chance import between, choice, key, namespaces, sample, some, thing

VERSION = "gateway.networking.k8s.io/v1"
HOSTS = ["www.shop.example", "api.shop.example", "nobody.example"]
PATHS = ["/", "/one", "/one/deep", "/two", "/old"]


def with_web(services):
    """Services that a route may lead to."""
    return [one for one in services if one["spec"].get("clusterIP") != "None"]


def make_backend(namespace, services):
    to = choice(with_web(services))["metadata"]
    out = {"name": to["name"] if some(0.93) else "missing", "port": 80 if some(0.95) else 7777}
    if to["namespace"] != namespace:
        out["namespace"] = to["namespace"]  # where a ReferenceGrant lets some in
    return out


def make_rule(namespace, services):
    rule = {}
    if some(0.7):
        match = {"path": {"type": choice(["PathPrefix", "Exact"]), "value": choice(PATHS)}}
        if some(0.2):
            match["headers"] = [{"name": "x-shade", "value": "dark"}]
        if some(0.15):
            match["method"] = "POST"
        rule["matches"] = [match]
    if some(0.1):
        rule["filters"] = [{"type": "RequestRedirect", "requestRedirect": {"statusCode": 301, "hostname": "elsewhere.example"}}]
        return rule
    rule["backendRefs"] = [make_backend(namespace, services) for _ in range(between(1, 2))]
    if len(rule["backendRefs"]) > 1 and some(0.4):
        rule["backendRefs"][0]["weight"] = 0
    return rule


def make_route(index, gateway, services):
    namespace = choice(namespaces)
    spec = {"parentRefs": [{"name": gateway["metadata"]["name"], "namespace": gateway["metadata"]["namespace"]}],
            "rules": [make_rule(namespace, services) for _ in range(between(1, 3))]}
    if some(0.7):
        spec["hostnames"] = choice([["www.shop.example"], ["api.shop.example"], ["*.shop.example"]])
    return thing("HTTPRoute", VERSION, f"route-{index}", spec, namespace)


def make_mesh_route(index, services):
    parent = choice(with_web(services))["metadata"]
    namespace = parent["namespace"] if some(0.6) else choice(namespaces)
    spec = {"parentRefs": [{"group": "", "kind": "Service", "name": parent["name"], "namespace": parent["namespace"], "port": 80}],
            "rules": [make_rule(namespace, services)]}
    return thing("HTTPRoute", VERSION, f"mesh-{index}", spec, namespace)


def make_ingress(index, services):
    to = choice(with_web(services))
    path = {"path": choice(PATHS), "pathType": choice(["Prefix", "Exact"]),
            "backend": {"service": {"name": to["metadata"]["name"], "port": choice([{"number": 80}, {"name": "web"}])}}}
    spec = {"rules": [{"host": "old.shop.example", "http": {"paths": [path]}}]}
    return thing("Ingress", "networking.k8s.io/v1", f"ingress-{index}", spec, to["metadata"]["namespace"])


def make_grant(namespace):
    spec = {"from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": one} for one in sample(namespaces, 2)],
            "to": [{"group": "", "kind": "Service"}]}
    return thing("ReferenceGrant", VERSION, "grant", spec, namespace)


def make_routes(services):
    """The Gateways, and all that belongs to them. Not every cluster has some, nor has a mesh."""
    if not with_web(services) or some(0.25):
        return [], []
    listener = {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": choice(["All", "All", "Same"])}}}
    gateways = [thing("Gateway", VERSION, f"edge-{index}", {"gatewayClassName": "weft", "listeners": [dict(listener)]}, choice(namespaces))
                for index in range(between(1, 2))]
    for gateway in gateways:
        if some(0.3):
            gateway["spec"]["listeners"][0]["hostname"] = "*.shop.example"
    others = [make_route(index, choice(gateways), services) for index in range(between(1, 4))]
    others += [make_ingress(index, services) for index in range(between(0, 2))]
    others += [make_mesh_route(index, services) for index in range(between(0, 2))]
    others += [make_grant(namespace) for namespace in namespaces if some(0.6)]
    return gateways, others


def make_request(gateways):
    """To a Gateway, by its name or by a host that leads to it."""
    gateway = choice(gateways)
    request = {"to": f"gateway/{key(gateway)}", "headers": {"host": choice(HOSTS)}}
    if some(0.3):
        request["headers"]["x-shade"] = choice(["dark", "light"])
    if some(0.2):
        request["method"] = "POST"
    return request
