"""A real name server on the loopback address, over UDP and TCP."""

import socket
import struct
import threading
from contextlib import contextmanager


def encoded(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def answer(asked, texts, *, aliases=None, code=0, cut=False):
    """Return the answer to a question: TXT records by name, and aliases."""
    (number,) = struct.unpack_from("!H", asked)
    records = b""
    for name, to in (aliases or {}).items():
        data = encoded(to)
        records += encoded(name) + struct.pack("!HHIH", 5, 1, 60, len(data)) + data
    for name, values in texts.items():
        for value in values:
            parts = [value[at : at + 255].encode() for at in range(0, len(value), 255)] or [b""]
            data = b"".join(bytes([len(part)]) + part for part in parts)
            records += encoded(name) + struct.pack("!HHIH", 16, 1, 60, len(data)) + data
    count = len(aliases or {}) + sum(map(len, texts.values()))
    flags = 0x8180 | code | (0x0200 if cut else 0)
    return struct.pack("!6H", number, flags, 1, 0 if cut else count, 0, 0) + asked[12:] + (b"" if cut else records)


@contextmanager
def naming(texts, *, reply=None, cut=False):
    """Serve TXT records; ``reply`` makes the datagrams that answer one instead, ``cut`` sends askers to TCP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.create_server(("127.0.0.1", 0)) as tcp:
        udp.bind(("127.0.0.1", tcp.getsockname()[1]))
        udp.settimeout(20)
        tcp.settimeout(20)
        stop = threading.Event()
        asked = []

        def datagrams():
            while not stop.is_set():
                data, origin = udp.recvfrom(4096)
                if stop.is_set() or not data:
                    return
                asked.append(data)
                for one in reply(data) if reply else [answer(data, texts, cut=cut)]:
                    udp.sendto(one, origin)

        def streams():
            while not stop.is_set():
                connection, _ = tcp.accept()
                with connection:
                    head = connection.recv(2)
                    if len(head) < 2:
                        return
                    data = connection.recv(struct.unpack("!H", head)[0])
                    said = answer(data, texts)
                    connection.sendall(struct.pack("!H", len(said)) + said)

        threads = [threading.Thread(target=work, daemon=True) for work in (datagrams, streams)]
        for thread in threads:
            thread.start()
        port = tcp.getsockname()[1]
        try:
            yield f"127.0.0.1:{port}", asked
        finally:
            stop.set()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"", ("127.0.0.1", port))
            socket.create_connection(("127.0.0.1", port)).close()
            for thread in threads:
                thread.join(20)
