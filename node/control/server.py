"""The local socket on which a node hears the command line.

One connection is one request: a line of JSON in, lines of progress out, then the answer
(client.py shows the forms). It lies in the home and is for its owner alone, so it
needs no password; a program of another user is turned away though it had found it.

A client that goes away cancels what it asked for. A handler that has taken on something for
good (an order, a design) hands it to the node's own tasks first, and those go on.
"""

import os
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
import trio
from msgspec import Struct

from commonfab.protocol.errors import CommonfabError, ResourceError, UsageError

from .. import log
from ..home.folder import Home
from .client import FAMILIES, Family, Trouble

REQUEST_BYTES_MAX = 64 * 1024
REQUEST_S_MAX = 10.0
"""From the connection to the end of the request's line."""
SEND_S_MAX = 30.0
"""A client that reads nothing for so long is as good as gone."""
CLIENTS_MAX = 64
"""At the same time; one more is told to try again."""
_BACKLOG = 16
_CREDENTIALS = "3i"
"""pid, uid and gid of who connected (unix(7), SO_PEERCRED)."""

Said = Struct | Mapping[str, object]
Progress = Callable[[Said], Awaitable[None]]
"""Sends one line of progress. For one task at a time."""
Handler = Callable[[dict[str, Any], Progress], Awaitable[Struct | Sequence[Struct]]]


class _Request(Struct, frozen=True, forbid_unknown_fields=True):
    do: str
    params: dict[str, Any] = msgspec.field(name="with", default_factory=dict[str, Any])


async def serve(
    home: Home,
    handlers: Mapping[str, Handler],
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Listen until cancelled. The caller holds the home's lock, so a socket there is stale."""
    places = trio.CapacityLimiter(CLIENTS_MAX)
    listener = _listen(home)
    try:
        task_status.started()
        await trio.serve_listeners(partial(_welcome, handlers, places), [listener])
    finally:
        home.socket.unlink(missing_ok=True)


def _listen(home: Home) -> trio.SocketListener:
    home.socket.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with home.socket_path() as path:
            listening.bind(path)
            os.chmod(path, 0o600)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise ResourceError(f"{home.socket}: {error.strerror}") from error
    return trio.SocketListener(trio.socket.from_stdlib_socket(listening))


async def _welcome(
    handlers: Mapping[str, Handler], places: trio.CapacityLimiter, stream: trio.SocketStream
) -> None:
    client = _Client(stream)
    try:
        places.acquire_on_behalf_of_nowait(client)
    except trio.WouldBlock:
        await client.send({"error": Trouble("resource", "too many commands at once; try again")})
        return
    try:
        await client.serve(handlers)
    finally:
        places.release_on_behalf_of(client)


class _Client:
    """One connection."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._scope = trio.CancelScope()

    async def serve(self, handlers: Mapping[str, Handler]) -> None:
        with self._scope:
            try:
                check_owner(self._credentials(), owner=os.geteuid())
                with trio.fail_after(REQUEST_S_MAX):
                    request = await self._read_request()
            except trio.TooSlowError:
                return
            except UsageError as error:
                await self.send({"error": Trouble("usage", str(error))})
                return
            if request is None:
                return
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._leave_with_client)
                await self._answer(handlers, request)
                nursery.cancel_scope.cancel()

    async def send(self, line: Mapping[str, object]) -> None:
        """Send a line, or end this conversation if nobody takes it."""
        try:
            with trio.fail_after(SEND_S_MAX):
                await self._stream.send_all(msgspec.json.encode(line) + b"\n")
        except (trio.TooSlowError, trio.BrokenResourceError):
            self._scope.cancel()

    def _credentials(self) -> bytes:
        size = struct.calcsize(_CREDENTIALS)
        return self._stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)

    async def _progress(self, said: Said) -> None:
        await self.send({"progress": said})

    async def _read_request(self) -> _Request | None:
        data = bytearray()
        while not data.endswith(b"\n"):
            try:
                part = await self._stream.receive_some(REQUEST_BYTES_MAX)
            except trio.BrokenResourceError:
                return None
            if not part:
                return None
            data += part
            if len(data) > REQUEST_BYTES_MAX:
                raise UsageError(f"a request of more than {REQUEST_BYTES_MAX} bytes")
        try:
            return msgspec.json.decode(data, type=_Request)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UsageError(f"not a request: {error}") from error

    async def _leave_with_client(self) -> None:
        # Nothing more is expected of a client, so whatever can be read is its end, or noise.
        try:
            while await self._stream.receive_some(REQUEST_BYTES_MAX):
                pass
        except trio.BrokenResourceError:
            pass
        self._scope.cancel()

    async def _answer(self, handlers: Mapping[str, Handler], request: _Request) -> None:
        handler = handlers.get(request.do)
        if handler is None:
            message = f"this node does not know {request.do!r}; is it of another version?"
            await self.send({"error": Trouble("usage", message)})
            return
        try:
            answer = await handler(request.params, self._progress)
        except Exception as error:  # A fault of ours in one command; the node goes on.
            refusal = _refusal(error)
            if refusal is not None:
                await self.send({"error": Trouble(_family(refusal), str(refusal))})
                return
            log.error("command_failed", command=request.do, exc_info=error)
            message = f"{request.do} failed ({type(error).__name__}); the node's log says more"
            await self.send({"error": Trouble("resource", message)})
        else:
            await self.send({"answer": answer})


def _refusal(error: Exception) -> CommonfabError | None:
    """Return what a person is to be told, also if it comes out of a handler's nursery."""
    if isinstance(error, CommonfabError):
        return error
    if not isinstance(error, ExceptionGroup):
        return None
    group: ExceptionGroup[Exception] = error  # pyright: ignore[reportUnknownVariableType]  # of any
    refusals = [_refusal(inner) for inner in group.exceptions]
    return None if None in refusals else refusals[0]


def _family(error: CommonfabError) -> Family:
    for family, type_ in FAMILIES.items():
        if isinstance(error, type_):
            return family
    return "resource"


def check_owner(credentials: bytes, *, owner: int) -> None:
    """Raise `UsageError` unless these credentials (a `struct ucred`) are the owner's or root's."""
    _, uid, _ = struct.unpack(_CREDENTIALS, credentials)
    if uid not in (owner, 0):
        raise UsageError("this node belongs to another user of this computer")
