"""Listeners that nothing may reach: they count what does, before a single byte is read."""

import socket
import threading


class Forbidden:
    """Counts TCP connections and UDP datagrams to one port of the loopback address."""

    def __init__(self):
        self.connections, self.datagrams = 0, 0
        self._stream = socket.create_server(("127.0.0.1", 0))
        self.port = self._stream.getsockname()[1]
        self._datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._datagram.bind(("127.0.0.1", self.port))
        self._over = False
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._accept, self._receive)]
        for one in self._threads:
            one.start()

    @property
    def heard(self):
        return self.connections + self.datagrams

    def _accept(self):
        while not self._over:
            connection, _ = self._stream.accept()
            connection.close()
            if not self._over:
                self.connections += 1

    def _receive(self):
        while not self._over:
            self._datagram.recvfrom(65_536)
            if not self._over:
                self.datagrams += 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._over = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        socket.create_connection(("127.0.0.1", self.port)).close()
        for one in self._threads:
            one.join(10)
        self._stream.close()
        self._datagram.close()
