#!/usr/bin/env python3
"""Writes src/standalone/apimachinery/protobuf_tables.cpp: the numbers of the fields of Kubernetes' messages.

Reads generated.proto and types.go of the modules k8s.io/api and k8s.io/apimachinery of test/go/go.mod:
the former for numbers and types, the latter for the fields' names in JSON, which of them JSON has also when they are
empty, and which are inlined. Run it in the repository's root after raising the modules' versions.
"""
import glob
import json
import re
import subprocess

ROOTS = """core.v1: ConfigMap Endpoints Event Namespace Node Pod Secret Service ServiceAccount Binding
apps.v1: ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet
batch.v1: Job
coordination.v1: Lease
discovery.v1: EndpointSlice
networking.v1: Ingress IngressClass IPAddress NetworkPolicy ServiceCIDR
autoscaling.v1: Scale
policy.v1: Eviction
authentication.v1: SelfSubjectReview
authorization.v1: SelfSubjectAccessReview
meta.v1: DeleteOptions"""
SPECIAL = {"resource.Quantity", "meta.v1.Time", "meta.v1.MicroTime", "intstr.IntOrString", "meta.v1.FieldsV1",
           "runtime.RawExtension"}
SCALARS = {"string": "s", "bool": "b", "bytes": "y", "double": "d"}


def module(path):
    out = subprocess.run(["go", "list", "-m", "-json", path], cwd="test/go", check=True, capture_output=True).stdout
    return json.loads(out)["Dir"]


def short(package):
    """k8s.io.api.core.v1 -> core.v1, k8s.io.apimachinery.pkg.apis.meta.v1 -> meta.v1"""
    parts = package.split(".")
    return ".".join(parts[-2:]) if re.fullmatch(r"v\d+", parts[-1]) else parts[-1]


def read_go(folder):
    """(struct, number) -> (type, name in JSON, options of the json tag)"""
    fields = {}
    for path in glob.glob(folder + "/*.go"):
        struct = None
        for line in open(path, encoding="utf-8"):
            if match := re.match(r"type (\w+) struct \{", line):
                struct = match[1]
            elif line.startswith("}"):
                struct = None
            match = struct and re.match(r"\s+(?:\w+\s+)?(\S+)\s+`json:\"([^\",]*)([^\"]*)\".*protobuf:\"\w+,(\d+)", line)
            if match:
                fields[(struct, int(match[4]))] = (match[1], match[2], match[3].split(","))
    return fields


def form_of(kind, label, go_type, options):
    """The character before the type, as protobuf_tables.h has it."""
    if label == "repeated":
        return "["
    if "inline" in options:
        return "<"
    # Go's omitempty never leaves a struct out.
    left_out = "omitzero" in options or ("omitempty" in options and "." not in kind)
    return "*" if go_type.startswith("*") or not left_out else ""


def read_proto(folder, messages):
    text = open(folder + "/generated.proto", encoding="utf-8").read()
    package = re.search(r"^package (.*);", text, re.M)[1]
    go = read_go(folder)

    def resolve(name):
        if name in SCALARS:
            return SCALARS[name]
        if name in ("int32", "int64"):
            return "i"
        name = name.lstrip(".")
        if "." not in name:
            return short(package) + "." + name
        return short(name.rpartition(".")[0]) + "." + name.rpartition(".")[2]

    for name, body in re.findall(r"^message (\w+) \{\n(.*?)^\}", text, re.M | re.S):
        fields = []
        for label, kind, field, number in re.findall(r"^  (?:(optional|repeated) )?(map<.*?>|[\w.]+) (\w+) = (\d+);", body, re.M):
            # Special types, and messages that stand for lists in Go (ExtraValue), have no such fields.
            go_type, json_name, options = go.get((name, int(number)), (None, None, None))
            if go_type is None:
                fields = None
                break
            if kind.startswith("map<"):
                kind = "{" + resolve(kind[4:-1].split(",")[1].strip())
            else:
                kind = resolve(kind)
                kind = form_of(kind, label, go_type, options) + kind
            fields.append((int(number), json_name or field, kind))
        messages[short(package) + "." + name] = fields


def main():
    api, machinery = module("k8s.io/api"), module("k8s.io/apimachinery")
    messages = {}
    for group in ("core", "apps", "batch", "coordination", "discovery", "networking", "autoscaling", "policy",
                  "authentication", "authorization"):
        read_proto(f"{api}/{group}/v1", messages)
    for folder in ("apis/meta/v1", "runtime", "util/intstr", "api/resource"):
        read_proto(f"{machinery}/pkg/{folder}", messages)

    wanted, queue = set(), []
    for line in ROOTS.split("\n"):
        package, names = line.split(": ")
        queue += [f"{package}.{name}" for name in names.split()]
    while queue:
        name = queue.pop()
        if name in wanted or name in SPECIAL:
            continue
        wanted.add(name)
        # A map of lists, which no other message has, stands only in answers.
        messages[name] = [field for field in messages[name] if not field[2].endswith(".ExtraValue")]
        queue += [kind.lstrip("*[{<") for _, _, kind in messages[name] if "." in kind]

    with open("src/standalone/apimachinery/protobuf_tables.cpp", "w", encoding="utf-8") as out:
        out.write("// Written by scripts/protobuf_tables.py; do not edit.\n"
                  '#include "standalone/apimachinery/protobuf_tables.h"\n\n'
                  "namespace weft::standalone {\n\n// clang-format off\nconst std::string_view kProtobufTables =\n")
        for name in sorted(wanted):
            entries = " ".join(f"{number}={field}:{kind}" for number, field, kind in messages[name])
            out.write(f'    "{name} {entries}\\n"\n')
        out.write("    ;\n// clang-format on\n\n}  // namespace weft::standalone\n")


main()
