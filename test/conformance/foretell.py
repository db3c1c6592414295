#!/usr/bin/env python3
"""Foretells every probe of a suite at the moment that it is made.

serve SOCKET LOG WEFT CLUSTER: answers what weft trace says, and keeps a record of what was seen.
probe SOCKET AGNHOST connect [OPTION…] ADDRESS:PORT [OPTION…]: in a pod, in the place of agnhost. The suite gets to know what agnhost has
seen first; where that is not as foretold it is tried again here, as policies take a moment to be in force."""
import json
import os
import socket
import socketserver
import subprocess
import sys
import time

PATIENCE = 5  # tries
PAUSE = 1  # s
VERDICTS = {"works": {"works"}, "TIMEOUT": {"denied", "dropped"}, "REFUSED": {"refused"}}  # that are right, by what agnhost sees


def split(target):
    host, port = target.rsplit(":", 1)
    return host.strip("[]"), port


class Answer(socketserver.StreamRequestHandler):
    def handle(self):
        asked = json.loads(self.rfile.readline())
        if "seen" in asked:
            with open(log, "a") as out:
                out.write(json.dumps(asked) + "\n")
            return
        host, port = split(asked["to"])
        run = subprocess.run([weft, "trace", asked["from"], host, "--port", port, "--protocol", asked["protocol"], "--name", cluster, "-o", "json"],
                             capture_output=True, text=True)
        said = json.loads(run.stdout) if run.stdout else {"verdict": run.stderr}
        self.wfile.write((json.dumps({"verdict": said["verdict"], "reason": said.get("reason", "")}) + "\n").encode())


class Server(socketserver.ThreadingUnixStreamServer):
    request_queue_size = 64


def tell(path, what):
    with socket.socket(socket.AF_UNIX) as to:
        to.connect(path)
        to.sendall((json.dumps(what) + "\n").encode())
        to.shutdown(socket.SHUT_WR)
        return to.makefile().readline()


def own_address(family_of):
    v6 = ":" in family_of
    with socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.connect(("2001:db8::1" if v6 else "192.0.2.1", 9))  # sends nothing
        return own.getsockname()[0]


def probe(path, agnhost, args):
    target = next(arg for arg in args[1:] if not arg.startswith("--"))
    protocol = next((arg.split("=")[1] for arg in args if arg.startswith("--protocol=")), "tcp")
    question = {"from": own_address(split(target)[0]), "to": target, "protocol": protocol}
    first = None
    for tries in range(1, PATIENCE + 1):
        foretold = json.loads(tell(path, question))
        run = subprocess.run([agnhost, *args], capture_output=True)
        first = first or run
        seen = "works" if run.returncode == 0 else run.stderr.decode().partition(":")[0].strip()
        agrees = foretold["verdict"] in VERDICTS.get(seen, ())
        if agrees:
            break
        time.sleep(PAUSE)
    tell(path, {**question, "foretold": foretold, "seen": seen, "agrees": agrees, "tries": tries})
    sys.stdout.buffer.write(first.stdout)
    sys.stderr.buffer.write(first.stderr)
    return first.returncode


if sys.argv[1] == "probe":
    sys.exit(probe(sys.argv[2], sys.argv[3], sys.argv[4:]))
_, _, address, log, weft, cluster = sys.argv
with Server(address, Answer) as server:
    os.chmod(address, 0o666)
    server.serve_forever()
