"""An API server as a cluster with RBAC has it, in front of one that knows no roles.

api_front.py ADDRESS PORT CERT KEY RULES TOKEN KUBECONFIG LOG: whoever has the token may do what RULES (the JSON of a
ClusterRole's rules, read anew for each request) say, and is passed on with the kubeconfig's certificate. LOG gets a line a
request: allowed or forbidden, verb, group/resource, namespace.
"""
import base64
import json
import socket
import ssl
import sys
import tempfile
import threading
from urllib.parse import parse_qs, urlsplit

address, port, cert, key, rules_file, token, kubeconfig, log_file = sys.argv[1:9]
log_lock = threading.Lock()


def meant(method, target):
    """Verb, group, resource and namespace of a request, as Kubernetes' own RequestInfo finds them."""
    url = urlsplit(target)
    parts = url.path.strip("/").split("/")
    group = ""
    if parts[0] == "api":
        rest = parts[2:]
    elif parts[0] == "apis" and len(parts) > 2:
        group, rest = parts[1], parts[3:]
    else:
        return method.lower(), "", url.path, "-"
    namespace = "*"
    if len(rest) > 2 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    if not rest:
        return method.lower(), "", url.path, "-"
    if method == "GET":
        watched = parse_qs(url.query).get("watch", ["false"])[0] in ("1", "true")
        verb = "get" if len(rest) > 1 else "watch" if watched else "list"
    else:
        verb = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}[method]
    resource = rest[0] + ("/" + rest[2] if len(rest) > 2 else "")
    return verb, group, resource, namespace


def may(verb, group, resource):
    def has(wanted, listed):
        return wanted in listed or "*" in listed

    with open(rules_file) as file:
        rules = json.load(file)
    return any(
        has(verb, rule["verbs"]) and has(group, rule.get("apiGroups", [])) and has(resource, rule.get("resources", []))
        for rule in rules
    )


def note(allowed, verb, group, resource, namespace):
    with log_lock, open(log_file, "a") as file:
        file.write(f"{'allowed' if allowed else 'forbidden'} {verb} {group}/{resource} {namespace}\n")


def backend():
    """Where the real one is, and the administrator's way in."""
    with open(kubeconfig) as file:
        config = json.load(file)
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    with tempfile.NamedTemporaryFile(suffix=".pem") as pem:
        for part in ("client-certificate-data", "client-key-data"):
            pem.write(base64.b64decode(user[part]) + b"\n")
        pem.flush()
        context.load_cert_chain(pem.name)
    url = urlsplit(cluster["server"])
    return context, url.hostname, url.port


def status(code, reason, message):
    body = json.dumps(
        {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message}
    ).encode()
    head = f"HTTP/1.1 {code} {reason}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body


def pump(source, to):
    try:
        while data := source.recv(65536):
            to.sendall(data)
    except OSError:
        pass
    # Ends the other direction too, which may wait for ever.
    for end in (source, to):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(raw, context, way):
    with context.wrap_socket(raw, server_side=True) as client:
        head = b""
        while b"\r\n\r\n" not in head:
            data = client.recv(65536)
            if not data:
                return
            head += data
        head, _, body = head.partition(b"\r\n\r\n")
        first, *fields = head.decode().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        if headers.get("authorization") != "Bearer " + token:
            return client.sendall(status(401, "Unauthorized", "Unauthorized"))
        verb, group, resource, namespace = asked = meant(method, target)
        allowed = may(verb, group, resource)
        note(allowed, *asked)
        if not allowed:
            message = f'cannot {verb} resource "{resource}" in API group "{group}"'
            return client.sendall(status(403, "Forbidden", message))
        tls, host, number = way
        with tls.wrap_socket(socket.create_connection((host, number)), server_hostname=host) as server:
            kept = [f for f in fields if not f.lower().startswith(("authorization:", "connection:"))]
            server.sendall("\r\n".join([first, *kept, "Connection: close"]).encode() + b"\r\n\r\n" + body)
            back = threading.Thread(target=pump, args=(server, client))
            back.start()
            pump(client, server)
            back.join()


def serve_quietly(*args):
    try:
        serve(*args)
    except (OSError, ValueError):
        pass


def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    way = backend()
    listener = socket.create_server((address, int(port)), backlog=64)
    print("listening", flush=True)
    while True:
        raw, _ = listener.accept()
        threading.Thread(target=serve_quietly, args=(raw, context, way), daemon=True).start()


main()
