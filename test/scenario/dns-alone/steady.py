"""Asks for a name about a hundred times a second in each of five ways until the file STOP exists: steady.py STOP NAME ADDRESS.

No question is asked twice: one that has no answer within three seconds is lost. Prints for each way how many were asked, how many of
them were lost, how often a socket that is kept had to be opened anew, and the slowest answer in ms.
"""
import os
import socket
import struct
import sys
import threading
import time

PATIENCE = 3  # what is lost stays lost; a busy machine may be late
stop, name, server = sys.argv[1:4]
wire_name = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split(".")) + b"\0"


def question(number):
    return struct.pack("!HHHHHH", number, 0x100, 1, 0, 0, 0) + wire_name + struct.pack("!HH", 1, 1)


def expect(number, answer):
    got, flags, _, answers = struct.unpack("!HHHH", answer[:8])
    if got != number or flags & 15 or not answers:
        raise ValueError(f"id {got} for {number}, code {flags & 15}, {answers} records")


def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(PATIENCE)
    return s


def connected():
    s = udp()
    s.connect((server, 53))
    return s


def tcp():
    s = socket.create_connection((server, 53), PATIENCE)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def ask_unconnected(s, number):
    s.sendto(question(number), (server, 53))
    answer, sender = s.recvfrom(4096)
    if sender != (server, 53):
        raise ValueError(f"answer from {sender}")
    expect(number, answer)


def ask_connected(s, number):
    s.send(question(number))
    expect(number, s.recv(4096))


def read(s, size):
    data = b""
    while len(data) < size:
        more = s.recv(size - len(data))
        if not more:
            raise ConnectionResetError("the server closed")
        data += more
    return data


def ask_tcp(s, number):
    message = question(number)
    s.sendall(struct.pack("!H", len(message)) + message)
    expect(number, read(s, struct.unpack("!H", read(s, 2))[0]))


def run(way, make, ask, kept, results):
    asked = lost = reopened = 0
    slowest, why, s = 0.0, "", None
    while not os.path.exists(stop):
        asked += 1
        began = time.monotonic()
        try:
            if s is None:
                s = make()
            try:
                ask(s, asked % 65536)
            except OSError as error:
                # That a kept socket has ended is told at once, and its owner opens another: no time is lost.
                if not kept or isinstance(error, TimeoutError):
                    raise
                reopened += 1
                s = make()
                ask(s, asked % 65536)
            slowest = max(slowest, time.monotonic() - began)
        except (OSError, ValueError) as error:
            lost += 1
            why += f" {time.strftime('%T')} {error!r}" if lost < 4 else ""
            s = None
        if not kept:
            s = None
        time.sleep(max(0, 0.01 - (time.monotonic() - began)))
    results.append(f"{way} asked={asked} lost={lost} reopened={reopened} slowest={slowest * 1000:.0f}{why}")


results = []
ways = [
    ("udp", udp, ask_unconnected, False),
    ("udp-connected", connected, ask_connected, False),
    ("udp-kept", connected, ask_connected, True),
    ("tcp", tcp, ask_tcp, False),
    ("tcp-kept", tcp, ask_tcp, True),
]
threads = [threading.Thread(target=run, args=(*way, results)) for way in ways]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("\n".join(sorted(results)))
