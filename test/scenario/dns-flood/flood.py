"""Sends questions as fast as it can for some seconds and reads no answer: flood.py SECONDS NAME ADDRESS.

Prints how many it sent.
"""
import ctypes
import socket
import struct
import sys
import time

seconds, name, server = float(sys.argv[1]), sys.argv[2], sys.argv[3]
BATCH = 64


class iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]


class msghdr(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_void_p),
        ("namelen", ctypes.c_uint32),
        ("iov", ctypes.POINTER(iovec)),
        ("iovlen", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("controllen", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    ]


class mmsghdr(ctypes.Structure):
    _fields_ = [("header", msghdr), ("sent", ctypes.c_uint32)]


wire_name = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split(".")) + b"\0"
messages = (mmsghdr * BATCH)()
kept = []
for i in range(BATCH):
    data = struct.pack("!HHHHHH", i, 0x100, 1, 0, 0, 0) + wire_name + struct.pack("!HH", 1, 1)
    buffer = ctypes.create_string_buffer(data, len(data))
    part = iovec(ctypes.cast(buffer, ctypes.c_void_p), len(data))
    kept += [buffer, part]
    messages[i].header.iov, messages[i].header.iovlen = ctypes.pointer(part), 1

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
s.connect((server, 53))
sendmmsg = ctypes.CDLL(None).sendmmsg
sent = 0
end = time.monotonic() + seconds
while time.monotonic() < end:
    sent += max(0, sendmmsg(s.fileno(), messages, BATCH, 0))
print(f"sent={sent} seconds={seconds}")
