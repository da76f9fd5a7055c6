"""A running Kubo, asked over its RPC: the one file that knows `ipfshttpclient`.

The client is of 2021 and knows daemons up to 0.8. What is done another way, for Kubo 0.42
and whatever comes:

- `connect()` refuses every version that it does not know, so its transport is made without
  it; whether a daemon serves is found out by trying (blocks.py).
- `block.put` sends one block a call, of any codec, at most 1 MiB. Here many go in one call,
  with the arguments `cid-codec`, `mhtype` and `allow-big-block`.
- `block.get`, `pin.add` ask the network for what is not there, and then hang. Here all is
  asked with `offline`, but for what is to come from others.
- `pin.ls` gives one large object without names; `stream` and `names` give a line a pin.
- `object.*`, `dht.*` are gone, `pubsub.*` is off, and `stats.bw` never was in the client.
- Its sessions pass `strict` to urllib3, which has dropped it, and obey proxies, ~/.netrc and
  redirects of the environment. Here it gets a plain session that goes to Kubo alone.
- It reads answers and error messages to their end, however long. Here both are bounded, in
  bytes and in time. Blocks are hashed by those who ask for them.
"""

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from io import BytesIO
from itertools import islice
from queue import Empty, SimpleQueue
from threading import Timer
from typing import Any, cast

from commonfab.protocol.errors import ResourceError
from commonfab.protocol.limits import MIB

CONNECT_S = 3.0
SILENT_S = 10.0
"""A Kubo that says nothing for so long in the middle of a call is taken as away."""
CALL_S = 60.0
"""For a whole answer, however steadily it drips."""
ANSWER_BYTES_MAX = 8 * MIB
LINE_BYTES_MAX = 64 * 1024
_LINES_MAX = 1000
"""In an answer that is not read as it comes."""
_ERROR_BYTES_MAX = 4096
_PIECE_BYTES = 64 * 1024

Line = Mapping[str, Any]
"""One JSON object of an answer. Nothing in it is to be trusted."""
Options = Mapping[str, str]


class KuboAway(ResourceError):
    """Kubo does not answer, or not as Kubo would."""


class KuboRefused(ResourceError):
    """Kubo answered that it cannot, or will not."""


class KuboRpc:
    """Calls to one Kubo. They wait for it, and may come from several threads."""

    def __init__(self, address: str, *, silent_s: float = SILENT_S, call_s: float = CALL_S) -> None:
        """`address` is that of its API, as a multiaddr. Nothing is asked yet."""
        self.address = address
        self._silent_s = silent_s
        self._call_s = call_s
        self._idle: SimpleQueue[Any] = SimpleQueue()

    def ask(self, path: str, *arguments: str, options: Options | None = None) -> Line:
        """Return the one JSON object that Kubo answers."""
        lines = self.lines(path, *arguments, options=options)
        if len(lines) != 1:
            raise KuboAway(f"{self._called(path)} has {len(lines)} answers; is it Kubo?")
        return lines[0]

    def lines(
        self,
        path: str,
        *arguments: str,
        options: Options | None = None,
        files: Sequence[bytes] = (),
    ) -> list[Line]:
        """Return the JSON objects that Kubo answers, one a line."""
        stream = self.stream(path, *arguments, options=options, files=files)
        lines = list(islice(stream, _LINES_MAX + 1))
        if len(lines) > _LINES_MAX:
            raise KuboAway(f"{self._called(path)} has more than {_LINES_MAX} lines; is it Kubo?")
        return lines

    def stream(
        self,
        path: str,
        *arguments: str,
        options: Options | None = None,
        files: Sequence[bytes] = (),
        bytes_max: int = ANSWER_BYTES_MAX,
        call_s: float | None = None,
    ) -> Iterator[Line]:
        """Yield the JSON objects that Kubo answers, one a line, as they come."""
        rest = b""
        with self._answered(path, arguments, options, files, bytes_max, call_s) as pieces:
            for piece in pieces:
                *whole, rest = (rest + piece).split(b"\n")
                for line in whole:
                    if line:
                        yield self._read(path, line)
                if len(rest) > LINE_BYTES_MAX:
                    raise KuboAway(f"{self._called(path)} has a line without end; is it Kubo?")
        if rest.strip():
            yield self._read(path, rest)

    def data(
        self, path: str, *arguments: str, bytes_max: int, options: Options | None = None
    ) -> bytes:
        """Return the bytes that Kubo answers; `KuboAway` if they are more than this."""
        with self._answered(path, arguments, options, (), bytes_max, None) as pieces:
            return b"".join(pieces)

    def close(self) -> None:
        while True:
            try:
                self._idle.get_nowait().close_session()
            except Empty:
                return

    @contextmanager
    def _answered(
        self,
        path: str,
        arguments: Sequence[str],
        options: Options | None,
        files: Sequence[bytes],
        bytes_max: int,
        call_s: float | None,
    ) -> Generator[Iterator[bytes]]:
        """Call, and give the pieces of the answer."""
        from urllib3.exceptions import HTTPError

        exceptions = _library().exceptions
        client = self._client()
        try:
            with ExitStack() as opened:
                response, pieces = self._send(client, path, arguments, options, files)
                opened.callback(response.close)
                alarm = opened.enter_context(_alarm(response, call_s or self._call_s))
                yield self._bounded(path, pieces, bytes_max)
                if alarm.finished.is_set():
                    raise TimeoutError(f"its answer did not end in {alarm.interval:g} s")
            self._idle.put(client)
        except exceptions.ErrorResponse as error:
            self._idle.put(client)
            raise KuboRefused(f"{self._called(path)}: {error}") from error
        # The rest of what can happen to a connection: requests' errors are OSErrors, urllib3's
        # come through in the middle of an answer, ValueError from a header that is none.
        except (exceptions.Error, OSError, ValueError, HTTPError) as error:
            client.close_session()
            raise KuboAway(f"{self._called(path)}: {_in_short(error)}") from error
        except BaseException:
            client.close_session()
            raise

    def _send(
        self,
        client: Any,
        path: str,
        arguments: Sequence[str],
        options: Options | None,
        files: Sequence[bytes],
    ) -> tuple[Any, Iterator[bytes]]:
        body, headers = None, None
        if files:
            body, headers = _library().multipart.stream_files(
                tuple(map(BytesIO, files)), chunk_size=MIB
            )
        (response, *_), pieces = client._request(  # its `request` has no bound
            "POST",
            f"/{path}",
            [*(options or {}).items(), *(("arg", argument) for argument in arguments)],
            auth=None,
            data=body,
            headers=headers,
            timeout=(CONNECT_S, self._silent_s),
            chunk_size=_PIECE_BYTES,
        )
        return response, pieces

    def _bounded(self, path: str, pieces: Iterator[bytes], bytes_max: int) -> Iterator[bytes]:
        count = 0
        for piece in pieces:
            count += len(piece)
            if count > bytes_max:
                raise KuboAway(f"{self._called(path)} has more than {bytes_max} bytes; is it Kubo?")
            yield piece

    def _read(self, path: str, line: bytes) -> Line:
        read = _json_object(line)
        if read is None:
            shown = line[:40].decode(errors="replace")
            raise KuboAway(f"{self._called(path)} is {shown!r}, no JSON object; is it Kubo?")
        if read.get("Type") == "error":
            raise KuboRefused(
                f"{self._called(path)}: {str(read.get('Message'))[:_ERROR_BYTES_MAX]}"
            )
        return read

    def _called(self, path: str) -> str:
        return f"Kubo at {self.address}, {path}"

    def _client(self) -> Any:
        with suppress(Empty):
            return self._idle.get_nowait()
        client = _transport()(self.address, "/api/v0")
        client.open_session()
        return client


@contextmanager
def _alarm(response: Any, after_s: float) -> Generator[Timer]:
    """End an answer that is still being read after this time, as if its sender had hung up."""

    def ring() -> None:
        with suppress(ValueError, OSError):  # It has just ended by itself.
            response.raw.shutdown()

    alarm = Timer(after_s, ring)
    alarm.daemon = True
    alarm.start()
    try:
        yield alarm
    finally:
        alarm.cancel()


def _in_short(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]


@cache
def _library() -> Any:
    """Return the client's package. Late: it takes a while to import."""
    # It comes without types.
    import ipfshttpclient  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]

    return ipfshttpclient


@cache
def _transport() -> Any:
    """Return the client's transport, mended."""
    import requests

    exceptions = _library().exceptions
    original: Any = _library().http.ClientSync

    class Transport(original):  # type: ignore[misc]  # it comes without types
        __slots__ = ()

        def _make_session(self) -> requests.Session:
            session = requests.Session()
            session.trust_env = False
            session.max_redirects = 0
            return session

        def _do_raise_for_status(self, response: requests.Response) -> None:
            if response.status_code == requests.codes["ok"]:
                return
            start = response.raw.read(_ERROR_BYTES_MAX, decode_content=True)
            error = requests.HTTPError(f"status {response.status_code}", response=response)
            said = _json_object(start)
            if said is None or "Message" not in said:
                raise exceptions.StatusError(error) from error
            raise exceptions.ErrorResponse(str(said["Message"]), error) from error

    return Transport


def _json_object(data: bytes) -> Line | None:
    try:
        read: Any = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return cast(Line, read) if isinstance(read, dict) else None
