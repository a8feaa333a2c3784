"""What a NATS server sends, taken apart by the server's own rule: words stand between blanks, whatever else a sender put into them.

The library's parser gives up its connection at a subject that holds a form feed; sent again, such a message would end every connection.

References:
    NATS documentation, "Client Protocol": ``MSG`` and ``HMSG``.
"""

import re
from collections.abc import Callable
from typing import Any

from nats.errors import ProtocolError
from nats.protocol.parser import Parser

LONGEST_LINE = 1 << 20
_BLANKS = re.compile(rb"[ \t]+")


class Frames(Parser):
    """A parser that hands on the messages of one subscription as bytes, and everything else to the library.

    Args:
        client: the library's.
        heard: takes subject, reply, headers and body of a message of subscription ``pulled``.
    """

    def __init__(self, client: Any, heard: Callable[[bytes, bytes, bytes, bytes], None]) -> None:
        self.pulled = -1
        self._heard = heard
        super().__init__(client)

    def reset(self) -> None:
        """Forget what came so far."""
        super().reset()
        self._held = bytearray()
        self._open: tuple[bytes, int, bytes, int, int] | None = None

    async def parse(self, data: bytes = b"") -> None:
        """Take what came; what is not whole yet waits for more.

        Raises:
            ProtocolError: it is nothing that a server sends.
        """
        held, at = self._held, 0
        held += data
        while True:
            if self._open is None:
                end = held.find(b"\r\n", at)
                if end < 0:
                    break
                line, at = bytes(held[at:end]), end + 2
                if line[:4].upper() in {b"MSG ", b"HMSG", b"MSG\t"}:
                    self._open = _opened(line)
                else:
                    await super().parse(line + b"\r\n")
                continue
            subject, sid, reply, head, size = self._open
            end = at + size
            if len(held) < end + 2:
                break
            headers, body, at = bytes(held[at : at + head]), bytes(held[at + head : end]), end + 2
            self._open = None
            if sid == self.pulled:
                self._heard(subject, reply, headers, body)
            else:
                await self.nc._process_msg(sid, subject, reply, body, headers or None)
        del held[:at]
        if self._open is None and len(held) > LONGEST_LINE:
            raise ProtocolError


def _opened(line: bytes) -> tuple[bytes, int, bytes, int, int]:
    """Return subject, subscription, reply, and the sizes of the headers and of all, of a message's first line."""
    words = _BLANKS.split(line.rstrip(b" \t"))
    sizes = 2 if words[0].upper() == b"HMSG" else 1
    try:
        subject, sid, *reply = words[1:-sizes]
        head = int(words[-2]) if sizes == 2 else 0
        size = int(words[-1])
        if len(reply) > 1 or not 0 <= head <= size:
            raise ValueError(line)
        return subject, int(sid), reply[0] if reply else b"", head, size
    except ValueError:
        raise ProtocolError from None
