"""Asks each question by UDP, as pods do, and over TCP, where the server always answers itself: compare.py SERVER…

Both answers must be the same bytes. Prints how many were, and how many of those by UDP a link gave, and the server, which does not
count questions of opcodes that it does not read.
"""
import itertools
import random
import socket
import struct
import sys

LONG = (
    "a-service-whose-name-is-as-long-as-names-can-be-at-all-63-chars."
    "a-namespace-whose-name-is-as-long-as-names-can-be-63-characters.svc.cluster.local"
)
LONGEST_PLAIN = (
    "a-service-whose-name-is-as-long-as-names-can-be-at-all-63-chars."
    "a-namespace-so-that-a-name-has-just-128-byte.svc.cluster.local"
)
NAMES = [
    LONGEST_PLAIN,
    "both.default.svc.cluster.local",
    "four.default.svc.cluster.local",
    "six.default.svc.cluster.local",
    "kubernetes.default.svc.cluster.local",
    "headless.default.svc.cluster.local",
    "elsewhere.default.svc.cluster.local",
    "nothing.default.svc.cluster.local",
    "both.nowhere.svc.cluster.local",
    "_web._tcp.four.default.svc.cluster.local",
    "default.svc.cluster.local",
    "svc.cluster.local",
    "cluster.local",
    "ns.dns.cluster.local",
    "both.default.svc.cluster.locale",
    "oth.default.svc.cluster.local",
    "",
    LONG,
]
PLAIN = NAMES[:5]
TYPES = {"A": 1, "AAAA": 28, "SRV": 33, "TXT": 16, "SOA": 6, "NS": 2, "ANY": 255, "MX": 15}
NOTIFY = 0x2000
FLAGS = [0x0000, 0x0100, 0x0120, 0x0110, 0x0130, 0x0040, NOTIFY]
COOKIE = struct.pack("!HH8s", 10, 8, b"12345678")


def opt(size=1232, flags=0, options=b"", version=0):
    return b"\0" + struct.pack("!HHBBHH", 41, size, 0, version, flags, len(options)) + options


EDNS = {
    "none": None,
    "plain": opt(),
    "small": opt(512),
    "dnssec": opt(4096, 0x8000),
    "cookie": opt(options=COOKIE),
    "padded": opt(options=struct.pack("!HH3s", 12, 3, b"\0\0\0")),
    "version": opt(version=1),
}
PLAIN_EDNS = ("none", "plain", "small", "dnssec")
PLAIN_FLAGS = FLAGS[:5]


def wire(name):
    labels = [label.encode() for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def question(name, kind, flags, edns, klass, zeros, behind):
    """`zeros`: how many there are between the name and its type."""
    header = struct.pack("!HHHHHH", random.randrange(65536), flags, 1, 0, 0, 1 if edns else 0)
    return header + wire(name) + b"\0" * zeros + struct.pack("!HH", kind, klass) + (edns or b"") + behind


def by_udp(server, message):
    with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(3)
        s.connect((server, 53))
        s.send(message)
        return s.recv(65535)


class Stream:
    def __init__(self, server):
        self.socket = socket.create_connection((server, 53), 3)

    def ask(self, message):
        self.socket.sendall(struct.pack("!H", len(message)) + message)
        size = struct.unpack("!H", self.take(2))[0]
        return self.take(size)

    def take(self, size):
        out = b""
        while len(out) < size:
            more = self.socket.recv(size - len(out))
            if not more:
                raise EOFError("the server has closed the connection")
            out += more
        return out


def mixed(name):
    return "".join(random.choice((c.lower(), c.upper())) for c in name)


def cookieless(answer, message):
    """Cookies of the server tell the second."""
    at = answer.find(b"12345678")
    return answer[: at + 8] if at >= 0 and b"12345678" in message else answer


same = by_links = by_server = 0
random.seed(seed := random.randrange(1 << 32))
for server in sys.argv[1:]:
    stream = Stream(server)
    for name, kind, flags, (edns, record) in itertools.product(NAMES, TYPES, FLAGS, EDNS.items()):
        text = mixed(name) if random.random() < 0.5 else name
        klass = random.choice((1, 1, 1, 1, 1, 1, 1, 3))
        behind = random.choice((b"", b"", b"", b"", b"", b"", b"", b"\0"))
        zeros = random.choice((0, 0, 0, 0, 0, 0, 0, 1, 2))
        message = question(text, TYPES[kind], flags, record, klass, zeros, behind)
        answers = cookieless(by_udp(server, message), message), cookieless(stream.ask(message), message)
        if answers[0] != answers[1]:
            print(f"{text} {kind} flags={flags:04x} edns={edns} class={klass} zeros={zeros} behind={behind} seed={seed}")
            print(f"  asked    {message.hex()}\n  by UDP   {answers[0].hex()}\n  over TCP {answers[1].hex()}")
            sys.exit(1)
        same += 1
        usual = flags in PLAIN_FLAGS and edns in PLAIN_EDNS and klass == 1 and not zeros and not behind
        plain = name in PLAIN and kind in ("A", "AAAA") and usual
        by_links += plain
        by_server += not plain and flags != NOTIFY
print(f"same={same} by_links={by_links} by_server={by_server}")
