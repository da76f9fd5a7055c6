"""Asks a running node, over the socket in its home. Waits, and needs no event loop.

    {"do": "order", "with": {"design": "hook", …}}      one line to the node
    {"progress": {…}}                                   any number of lines back, then one of
    {"answer": …}    {"error": {"family": "usage", "message": "…"}}

specs/decisions/0008-control.md says why it is this and not HTTP.
"""

import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, BinaryIO, Literal, TypeVar

import msgspec

from commonfab.protocol.errors import CommonfabError, PeerError, ResourceError, UsageError

from ..home.folder import Home

OnProgress = Callable[[Mapping[str, Any]], None]

_LINE_BYTES_MAX = 256 << 20
"""A line of the node's: it is our own, so this only bounds a mishap."""

Family = Literal["usage", "peer", "resource"]
FAMILIES: dict[Family, type[CommonfabError]] = {
    "usage": UsageError,
    "peer": PeerError,
    "resource": ResourceError,
}

T = TypeVar("T")


class NoNode(ResourceError):
    """Nothing listens on the home's socket."""


class Trouble(msgspec.Struct, frozen=True):
    """An error on its way over the socket."""

    family: Family
    message: str


class _Line(msgspec.Struct, frozen=True):
    progress: msgspec.Raw = msgspec.Raw()
    answer: msgspec.Raw = msgspec.Raw()
    error: Trouble | None = None


class Client:
    """Each call is a connection of its own."""

    def __init__(self, home: Home, *, patience_s: float | None = None) -> None:
        """Without `patience_s`, a call waits as long as the node is silent."""
        self._home = home
        self._patience_s = patience_s

    def call(
        self, name: str, params: Mapping[str, object], on_progress: OnProgress | None = None
    ) -> bytes:
        """Return the JSON of the answer, or raise the error that the node raised.

        Raises `NoNode` if none runs, `ResourceError` if it goes away before it has answered.
        """
        with self._connect() as connection, connection.makefile("rb") as lines:
            try:
                # A node that turns us away says so at once, and may be gone before we have asked.
                with suppress(BrokenPipeError):
                    connection.sendall(msgspec.json.encode({"do": name, "with": params}) + b"\n")
                return self._hear(lines, on_progress)
            except TimeoutError as error:
                raise ResourceError(
                    f"the node on {self._home} has been silent for {self._patience_s:g} s;"
                    " look at its log"
                ) from error
            except OSError as error:
                raise self._gone() from error

    def ask(
        self,
        name: str,
        params: Mapping[str, object],
        answer: type[T],
        on_progress: OnProgress | None = None,
    ) -> T:
        """Return the answer as a value of the type that it is known to have."""
        data = self.call(name, params, on_progress)
        try:
            return msgspec.json.decode(data, type=answer)
        except msgspec.ValidationError as error:
            raise ResourceError(
                f"the node on {self._home} is of another version than this command; restart it"
            ) from error

    def _connect(self) -> socket.socket:
        self._home.check()
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(self._patience_s)
        try:
            with self._home.socket_path() as path:
                connection.connect(path)
        except (FileNotFoundError, ConnectionRefusedError) as error:
            connection.close()
            raise NoNode(
                f"no node runs on {self._home}; start one with: commonfab run --home {self._home}"
            ) from error
        except OSError as error:
            connection.close()
            raise ResourceError(f"{self._home.socket}: {error.strerror or error}") from error
        return connection

    def _hear(self, lines: BinaryIO, on_progress: OnProgress | None) -> bytes:
        while True:
            data = lines.readline(_LINE_BYTES_MAX)
            if not data.endswith(b"\n"):
                raise self._gone()
            line = msgspec.json.decode(data, type=_Line)
            if line.error is not None:
                raise FAMILIES[line.error.family](line.error.message)
            if bytes(line.answer):
                return bytes(line.answer)
            if on_progress is not None:
                on_progress(msgspec.json.decode(line.progress, type=dict[str, Any]))

    def _gone(self) -> ResourceError:
        return ResourceError(
            f"the node on {self._home} stopped before it answered; what it had taken on is kept:"
            " start it again, and look"
        )
