"""Asks over a hundred connections at once, as fast as it can, for some seconds: flood_tcp.py SECONDS NAME ADDRESS.

Prints how many connections it opened, and how many bytes of questions it sent and of answers it read.
"""
import select
import socket
import struct
import sys
import time

seconds, name, server = float(sys.argv[1]), sys.argv[2], sys.argv[3]
wire_name = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split(".")) + b"\0"
message = struct.pack("!HHHHHH", 1, 0x100, 1, 0, 0, 0) + wire_name + struct.pack("!HH", 1, 1)
questions = (struct.pack("!H", len(message)) + message) * 500
opened = sent = read = 0


class Connection:
    def __init__(self):
        global opened
        opened += 1
        self.left = questions
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.connect_ex((server, 53))

    def fileno(self):
        return self.socket.fileno()

    def turn(self, readable, writable):
        """False when the server has closed it."""
        global sent, read
        try:
            if readable:
                answers = self.socket.recv(65536)
                if not answers:
                    return False
                read += len(answers)
            if writable:
                count = self.socket.send(self.left)
                sent += count
                self.left = self.left[count:] or questions
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True


connections = [Connection() for _ in range(100)]
end = time.monotonic() + seconds
while time.monotonic() < end:
    readable, writable, _ = select.select(connections, connections, [], 0.1)
    for i, one in enumerate(connections):
        if not one.turn(one in readable, one in writable):
            one.socket.close()
            connections[i] = Connection()
print(f"connections={opened} sent={sent} read={read}")
