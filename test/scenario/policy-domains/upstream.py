"""Answers DNS for the names of a zone file, over UDP: `upstream.py ZONE ADDRESS…`. The file, read anew for each question, has
lines NAME TTL TYPE DATA; what a CNAME leads to is answered with it."""
import ipaddress, selectors, socket, struct, sys

TYPES = {"A": 1, "CNAME": 5, "AAAA": 28}


def wire(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def record(name, ttl, kind, data):
    data = wire(data) if kind == "CNAME" else ipaddress.ip_address(data).packed
    return wire(name) + struct.pack(">HHIH", TYPES[kind], 1, int(ttl), len(data)) + data


def answer(question):
    labels, at = [], 12
    while question[at]:
        labels.append(question[at + 1 : at + 1 + question[at]].decode().lower())
        at += 1 + question[at]
    name, kind = ".".join(labels), struct.unpack(">H", question[at + 1 : at + 3])[0]
    zone = [line.split() for line in open(sys.argv[1])]
    found, known = [], any(line[0] == name for line in zone)
    while True:
        here = [line for line in zone if line[0] == name]
        found += [record(*line) for line in here if TYPES[line[2]] in (kind, 5)]
        alias = [line[3] for line in here if line[2] == "CNAME"]
        if not alias:
            break
        name = alias[0]
    flags = 0x8180 if known else 0x8183
    return question[:2] + struct.pack(">HHHHH", flags, 1, len(found), 0, 0) + question[12 : at + 5] + b"".join(found)


sockets = selectors.DefaultSelector()
for address in sys.argv[2:]:
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((address, 53))
    sockets.register(s, selectors.EVENT_READ)
while True:
    for key, _ in sockets.select():
        question, client = key.fileobj.recvfrom(4096)
        key.fileobj.sendto(answer(question), client)
