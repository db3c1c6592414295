"""Sends questions as whole frames, whose sums are complete, and looks at the answers' lengths and sums: sums.py SERVER…

SERVER: the node's own, as no socket translates what leaves here. Prints how many answers were right. What the datagram's own length leaves out
of a question is not asked, so that is no question.
"""
import itertools
import socket
import struct
import sys

GATEWAY = b"\xee" * 6
NAMES = (b"\4four", b"\4both", b"\3six", b"\12kubernetes")  # of odd and of even sizes
OPT = b"\0\0\x29\4\xd0\0\0\0\0\0\0"


def total(data):
    data += b"\0" * (len(data) % 2)
    out = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while out >> 16:
        out = (out & 0xFFFF) + (out >> 16)
    return out


def pseudo(v6, source, target, size):
    return source + target + (struct.pack("!IxxxB", size, 17) if v6 else struct.pack("!xBH", 17, size))


def frame_of(v6, mac, source, target, port, message, with_sum, left_out=0):
    size = 8 + len(message)
    udp = struct.pack("!HHHH", port, 53, size - left_out, 0) + message
    if with_sum:
        sum_ = 0xFFFF - total(pseudo(v6, source, target, size - left_out) + udp[: size - left_out]) or 0xFFFF
        udp = udp[:6] + struct.pack("!H", sum_) + udp[8:]
    if v6:
        ip = struct.pack("!IHBB", 6 << 28, size, 17, 64) + source + target
    else:
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + size, 7, 0, 64, 17, 0) + source + target
        ip = ip[:10] + struct.pack("!H", 0xFFFF - total(ip)) + ip[12:]
    return GATEWAY + mac + struct.pack("!H", 0x86DD if v6 else 0x0800) + ip + udp


def check(v6, frame, mac, source, target, port, message, with_sum):
    """The answer's code; None: it is no answer."""
    ip, header = frame[14:], 40 if v6 else 20
    if ip[6 if v6 else 9] != 17 or struct.unpack("!H", ip[header + 2 : header + 4])[0] != port:
        return None
    udp = ip[header:]
    assert frame[:12] == mac + GATEWAY
    assert (ip[8:24], ip[24:40]) == (target, source) if v6 else (ip[12:16], ip[16:20]) == (target, source)
    assert struct.unpack("!H", ip[4:6] if v6 else ip[2:4])[0] == (len(udp) if v6 else len(ip))
    assert v6 or total(ip[:20]) == 0xFFFF, "the header's sum"
    own, _, size, sum_ = struct.unpack("!HHHH", udp[:8])
    assert own == 53 and size == len(udp)
    rcode = udp[11] & 0xF
    if rcode:
        return rcode  # the server's, whose sum is the device's to complete
    assert (sum_ != 0) == with_sum
    assert not with_sum or total(pseudo(v6, target, source, size) + udp) == 0xFFFF, "the datagram's sum"
    assert udp[8:10] == message[:2] and udp[10] & 0x80
    return rcode


right = 0
for server in sys.argv[1:]:
    v6 = ":" in server
    family = socket.AF_INET6 if v6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.connect((server, 9))
        source = socket.inet_pton(family, s.getsockname()[0])
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    raw.bind(("eth0", 0x86DD if v6 else 0x0800))
    raw.settimeout(2)
    mac = raw.getsockname()[4]
    target = socket.inet_pton(family, server)
    for n, (name, kind, edns, with_sum) in enumerate(itertools.product(NAMES, (1, 28), (b"", OPT), (True, False))):
        if v6 and not with_sum:
            continue  # IPv6 has none without
        port = 20000 + n
        message = struct.pack("!HHHHHH", n, 0x100, 1, 0, 0, 1 if edns else 0)
        message += name + b"\7default\3svc\7cluster\5local\0" + struct.pack("!HH", kind, 1) + edns
        for left_out, rcode in ((0, 0), (4, 1)):
            raw.send(frame_of(v6, mac, source, target, port, message, with_sum, left_out))
            while (said := check(v6, raw.recv(2000), mac, source, target, port, message, with_sum)) is None:
                pass
            assert said == rcode, (said, left_out)
        right += 1
print(right)
