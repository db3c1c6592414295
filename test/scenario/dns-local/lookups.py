"""Looks one name up again and again until the file STOP exists: lookups.py STOP NAME ADDRESS.

Prints how many look-ups there were, how many failed, and the longest time without a good one, in ms, for
each way of asking: the C library's (whose UDP sockets are connected), a UDP socket that is not connected and
waits 300 ms for each answer, and TCP.
"""
import os
import socket
import struct
import sys
import threading
import time

stop, name, server = sys.argv[1:4]
question = b"".join(bytes([len(l)]) + l.encode() for l in name.rstrip(".").split(".")) + b"\0" + struct.pack("!HH", 1, 1)


def message(number):
    return struct.pack("!HHHHHH", number, 0x100, 1, 0, 0, 0) + question


def check(number, answer):
    if len(answer) < 8:
        raise OSError("the server closed")
    got, flags, _, answers = struct.unpack("!HHHH", answer[:8])
    if got != number or flags & 15 or not answers:
        raise OSError(f"answer {flags & 15} with {answers} records")


def by_libc(_):
    socket.getaddrinfo(name, 80, socket.AF_INET, socket.SOCK_STREAM)


def by_udp(number):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(0.3)
        s.sendto(message(number), (server, 53))
        answer, sender = s.recvfrom(4096)
        if sender != (server, 53):
            raise OSError(f"answer from {sender}")
        check(number, answer)


def by_tcp(number):
    with socket.create_connection((server, 53), 0.3) as s:
        s.settimeout(0.3)
        asked = message(number)
        s.sendall(struct.pack("!H", len(asked)) + asked)
        answer = s.makefile("rb").read(2 + len(asked) + 16)
        check(number, answer[2:])


def run(way, results):
    count = failed = 0
    longest = 0.0
    why = ""
    last_good = time.monotonic()
    while not os.path.exists(stop):
        count += 1
        try:
            way(count % 65536)
            now = time.monotonic()
            longest = max(longest, now - last_good)
            last_good = now
        except OSError as error:
            failed += 1
            why = str(error)
        time.sleep(0.005)
    longest = max(longest, time.monotonic() - last_good)
    results.append(f"{way.__name__} lookups={count} failed={failed} longest={longest * 1000:.0f} {why}")


results = []
threads = [threading.Thread(target=run, args=(way, results)) for way in (by_libc, by_udp, by_tcp)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("\n".join(sorted(results)))
