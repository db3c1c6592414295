"""serve ADDRESS DELAY: answers each datagram after so many seconds. ask ADDRESS SECONDS: sends one each 50 ms and
says when the first answer comes, and in the end how many came, and how many of them in the last second."""
import heapq
import select
import socket
import sys
import time

PORT = 7777


def serve(address: str, delay: float) -> None:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, PORT))
    due: list[tuple[float, bytes, tuple]] = []
    while True:
        wait = max(0.0, due[0][0] - time.monotonic()) if due else None
        if select.select([server], [], [], wait)[0]:
            data, peer = server.recvfrom(2000)
            heapq.heappush(due, (time.monotonic() + delay, data, peer))
        while due and due[0][0] <= time.monotonic():
            _, data, peer = heapq.heappop(due)
            server.sendto(data, peer)


def ask(address: str, seconds: float) -> None:
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.connect((address, PORT))
    client.setblocking(False)
    end = time.monotonic() + seconds
    heard: list[float] = []
    while time.monotonic() < end:
        try:
            client.send(b"x")
        except OSError:
            pass
        if select.select([client], [], [], 0.05)[0]:
            try:
                client.recv(2000)
                heard.append(time.monotonic())
                if len(heard) == 1:
                    print("the first is answered", flush=True)
            except OSError:
                pass
            time.sleep(0.05)
    print(f"answers: {len(heard)}, in the last second: {sum(1 for at in heard if at > end - 1)}")


if sys.argv[1] == "serve":
    serve(sys.argv[2], float(sys.argv[3]))
else:
    ask(sys.argv[2], float(sys.argv[3]))
