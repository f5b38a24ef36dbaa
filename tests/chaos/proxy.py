# SPDX-License-Identifier: Apache-2.0
"""A network between a client and its server, which can be cut at a chosen message."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa

_SIZE = 1 << 20
_WRITES = (b"INSERT", b"UPDATE", b"DELETE")
#: How packets of MariaDB's protocol begin, and the size from which the second may be a row's.
_DONE, _END, _ERROR, _SHORTEST_ROW = b"\0", b"\xfe", b"\xff", 9
#: The bytes of a number of that protocol that begins with this one, and a flag.
_WIDTHS, _MORE_RESULTS = {0xFC: 3, 0xFD: 4, 0xFE: 9}, 8


class Proxy:
    """Passes messages on, and counts those of clients; a message is what is sent at once.

    Each connection goes to the first of several servers that accepts it.

    :ivar at: the message at which the connection is cut, once; None: at none
    :ivar done: the message reaches the server, and only its answer is lost
    :ivar late: the message reaches the server after the cut, just before another that writes
    :ivar raised: how often a connection was cut
    :ivar is_whole: whether a lost answer has arrived up to its end before the cut
    """

    def __init__(self, *servers: sa.URL) -> None:
        self.at: int | None = None
        self.is_whole = False
        self.done = self.late = False
        self.count = self.raised = 0
        is_postgresql = servers[0].get_backend_name() == "postgresql"
        default = 5432 if is_postgresql else 3306
        self._has_ended = _has_ended_on_postgresql if is_postgresql else _has_ended_on_mariadb
        self._servers = [(one.host or "127.0.0.1", one.port or default) for one in servers]
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._counting = threading.Lock()
        self._open: list[socket.socket] = []
        self._discarded: set[socket.socket] = set()
        self._held: tuple[socket.socket, bytes] | None = None
        self._arrived = threading.Event()
        self.url = servers[0].set(host="127.0.0.1", port=self._listener.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def address(self) -> str:
        """The URL as text, with its password."""
        return self.url.render_as_string(hide_password=False)

    @contextmanager
    def failing(
        self,
        at: int,
        done: bool = False,
        then: Callable[[], None] = lambda: None,
        late: bool = False,
    ) -> Iterator["Proxy"]:
        """Cut one connection inside, at a message counted from here.

        :param then: what others do before the client notices it
        """
        self.at, self.done, self.count, self.raised = at, done, 0, 0
        self._then, self.late = then, late
        try:
            yield self
        finally:
            self.at = None

    def cut(self) -> None:
        """Cut all connections."""
        self._hang_up(*self._open)
        self._open.clear()

    def close(self) -> None:
        """End it."""
        self._hang_up(self._listener)
        self.cut()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if (server := self._connected()) is None:
                    self._hang_up(client)
                    continue
                self._open += [client, server]
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for run in (self._ask, self._answer):
                    threading.Thread(target=run, args=(client, server), daemon=True).start()

    def _connected(self) -> socket.socket | None:
        for server in self._servers:
            with contextlib.suppress(OSError):
                return socket.create_connection(server)
        return None

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while message := client.recv(_SIZE):
                if self._held and any(word in message for word in _WRITES):
                    self._deliver()
                if self._is_cut():
                    self._discarded.add(server)
                    if not self.done:
                        self._cut(client, server, message)
                        return
                # Of a long message the rest follows.
                server.sendall(message)
        self._hang_up(client, server)

    def _cut(self, client: socket.socket, server: socket.socket, message: bytes) -> None:
        if self.late:
            self._held = server, message
            self._hang_up(client)
        else:
            self._hang_up(server)
            self._then()
            self._hang_up(client)

    def _answer(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while message := server.recv(_SIZE):
                if server in self._discarded:
                    self._await_end(server, message)
                    self._then()
                    self._arrived.set()
                    self._hang_up(client, server)
                    return
                client.sendall(message)
        if server not in self._discarded or self.done:
            self._hang_up(client, server)

    def _await_end(self, server: socket.socket, answer: bytes) -> None:
        """Wait until a server has executed a request: MariaDB sends rows before it commits."""
        while self.is_whole and not self._has_ended(answer):
            if not (message := server.recv(_SIZE)):
                return
            answer += message

    def _deliver(self) -> None:
        assert self._held
        (server, message), self._held = self._held, None
        server.sendall(message)
        self._arrived.wait(10)

    def _is_cut(self) -> bool:
        with self._counting:
            if self.at is None or self.raised:
                return False
            self.count += 1
            self.raised = int(self.count == self.at)
            return bool(self.raised)

    @staticmethod
    def _hang_up(*ends: socket.socket) -> None:
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def _has_ended_on_postgresql(answer: bytes) -> bool:
    """Return whether an answer ends with the message that the server is ready for another."""
    return answer[-6:-1] == b"Z\0\0\0\5"


def _has_ended_on_mariadb(answer: bytes) -> bool:
    """Return whether an answer ends with its last result: rows, an error, or neither."""
    place = awaited = flags = 0
    while place + 4 <= len(answer):
        begin = place + 4
        place = begin + int.from_bytes(answer[place : place + 3], "little")
        packet = answer[begin:place]
        if place > len(answer):
            return False
        if packet[:1] == _ERROR:
            break
        if not awaited and packet[:1] == _DONE:
            flags = _flags(packet)
        elif not awaited:
            awaited = 2
        elif packet[:1] == _END and len(packet) < _SHORTEST_ROW:
            # The columns end with such a packet, and then the rows.
            awaited, flags = awaited - 1, packet[3]
        if not awaited and not flags & _MORE_RESULTS:
            break
    else:
        return False
    return place == len(answer)


def _flags(packet: bytes) -> int:
    """Return the flags of a packet that says that a statement without rows is done."""
    at = 1
    for _ in ("the rows that were changed", "the last id"):
        at += _WIDTHS.get(packet[at], 1)
    return packet[at]
