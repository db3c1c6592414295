"""A name server of a test: `upstream.py ADDRESS LOG`, UDP and TCP. Any name has the address 198.51.100.1 for 60 seconds, but
`*.many` has 100 addresses (too many for UDP), and `*.none` is no name. Each question is a line in LOG: transport and name."""
import asyncio, struct, sys

address, log = sys.argv[1], open(sys.argv[2], "a", buffering=1)


def answer(question, transport):
    labels, at = [], 12
    while question[at]:
        labels.append(question[at + 1 : at + 1 + question[at]].decode().lower())
        at += 1 + question[at]
    kind = struct.unpack(">H", question[at + 1 : at + 3])[0]
    if labels:
        print(transport, ".".join(labels), file=log)
    asked = question[12 : at + 5]
    last = labels[-1] if labels else ""
    if last == "none":
        soa = b"\0" + struct.pack(">HHIH", 6, 1, 30, 22) + b"\0\0" + struct.pack(">IIIII", 1, 2, 3, 4, 30)
        return question[:2] + struct.pack(">HHHHH", 0x8183, 1, 0, 1, 0) + asked + soa
    count = (100 if last == "many" else 1) if kind == 1 else 0
    if count > 50 and transport == "udp":
        return question[:2] + struct.pack(">HHHHH", 0x8380, 1, 0, 0, 0) + asked
    records = [b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + bytes([198, 51, 100, 1 + i]) for i in range(count)]
    return question[:2] + struct.pack(">HHHHH", 0x8180, 1, count, 0, 0) + asked + b"".join(records)


class Udp(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, peer):
        self.transport.sendto(answer(data, "udp"), peer)


async def tcp(reader, writer):
    try:
        while True:
            size = struct.unpack(">H", await reader.readexactly(2))[0]
            out = answer(await reader.readexactly(size), "tcp")
            writer.write(struct.pack(">H", len(out)) + out)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main():
    await asyncio.get_running_loop().create_datagram_endpoint(Udp, local_addr=(address, 53))
    async with await asyncio.start_server(tcp, address, 53) as server:
        await server.serve_forever()


asyncio.run(main())
