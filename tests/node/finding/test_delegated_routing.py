"""Asking a routing server: what it may answer, and what bad ones get."""

import json
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import pytest
import trio
import trio.testing

from commonfab.node.finding import delegated_routing
from commonfab.node.finding.addresses import Provider
from commonfab.node.finding.delegated_routing import PROVIDERS_MAX, check_endpoint
from commonfab.protocol.errors import PeerError, ResourceError, UsageError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.peer_id import peer_text
from commonfab.storage.cid import CID, RAW

ROOT = CID.of(b"wall hook", codec=RAW)
BOB, EVE = NodeId(b"b" * 32), NodeId(b"e" * 32)
HERE = "/ip4/127.0.0.1/tcp/4001"
PATIENCE_S = 10

Answer = Callable[[trio.SocketStream], Awaitable[None]]


def entry(peer: NodeId, *addresses: str, schema: str = "peer") -> dict[str, object]:
    return {"Schema": schema, "ID": peer_text(peer), "Addrs": list(addresses)}


def response(
    body: bytes, kind: str = "application/json", status: str = "200 OK", *more: str
) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", "Connection: close", *more, "", ""]
    return "\r\n".join(lines).encode() + body


def in_json(entries: Sequence[object] | None) -> bytes:
    return response(json.dumps({"Providers": entries}).encode())


def in_lines(*entries: object) -> bytes:
    lines = b"".join(json.dumps(each).encode() + b"\n" for each in entries)
    return response(lines, "application/x-ndjson")


async def server(nursery: trio.Nursery, answer: Answer, asked: list[bytes] | None = None) -> str:
    """Serve HTTP on loopback with one answer to everything; return the endpoint."""

    async def serve(stream: trio.SocketStream) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            request += await stream.receive_some(4096)
        if asked is not None:
            asked.append(request)
        try:
            await answer(stream)
        except trio.BrokenResourceError:
            return  # The client has had enough.

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, serve, [listener])
    return f"http://127.0.0.1:{listener.socket.getsockname()[1]}"


def saying(data: bytes) -> Answer:
    async def answer(stream: trio.SocketStream) -> None:
        await stream.send_all(data)

    return answer


async def ask(nursery: trio.Nursery, answer: Answer | bytes) -> list[Provider]:
    endpoint = await server(nursery, saying(answer) if isinstance(answer, bytes) else answer)
    with trio.fail_after(PATIENCE_S):
        return await delegated_routing.providers(endpoint, ROOT)


FOUND = Provider(BOB, (f"{HERE}/p2p/{peer_text(BOB)}",))


def in_json_alone(each: object) -> bytes:
    return in_json([each])


@pytest.mark.parametrize("shape", [in_json_alone, in_lines])
@pytest.mark.parametrize("schema", ["peer", "bitswap"])
async def test_providers_are_read_in_both_forms_and_schemas(
    nursery: trio.Nursery, shape: Callable[[object], bytes], schema: str
) -> None:
    assert await ask(nursery, shape(entry(BOB, HERE, schema=schema))) == [FOUND]


async def test_it_asks_for_the_root_and_says_which_forms_it_reads(nursery: trio.Nursery) -> None:
    asked: list[bytes] = []
    endpoint = await server(nursery, saying(in_json([])), asked)

    assert await delegated_routing.providers(f"{endpoint}/", ROOT) == []

    assert asked[0].startswith(f"GET /routing/v1/providers/{ROOT} HTTP/1.1".encode())
    assert b"application/x-ndjson" in asked[0]


@pytest.mark.parametrize(
    "answer", [in_json(None), in_json([]), in_lines(), response(b"", status="404 Not Found")]
)
async def test_nobody_is_no_error(nursery: trio.Nursery, answer: bytes) -> None:
    assert await ask(nursery, answer) == []


async def test_entries_that_are_of_no_use_are_passed_over(nursery: trio.Nursery) -> None:
    useless: list[object] = [
        {"Schema": "unknown", "ID": peer_text(BOB), "Addrs": [HERE]},
        {"Schema": "peer", "ID": "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N", "Addrs": []},
        {"Schema": "peer", "ID": 7},
        {"Schema": "peer"},
        "text",
        [[[[]]]],
    ]

    assert await ask(nursery, in_json([*useless, entry(BOB, HERE)])) == [FOUND]
    assert await ask(nursery, in_lines(*useless, entry(BOB, HERE))) == [FOUND]


async def test_addresses_of_another_peer_or_of_nobody_are_not_dialled(
    nursery: trio.Nursery,
) -> None:
    bad = [f"{HERE}/p2p/{peer_text(EVE)}", "/ip4/0.0.0.0/tcp/1", "/ip4/224.0.0.1/tcp/1", "?"]

    assert await ask(nursery, in_json([entry(BOB, *bad)])) == [Provider(BOB, ())]


async def test_an_endless_list_is_read_until_there_are_enough(nursery: trio.Nursery) -> None:
    async def endless(stream: trio.SocketStream) -> None:
        await stream.send_all(in_lines())
        number = 0
        while True:
            number += 1
            one = entry(NodeId(number.to_bytes(32, "big")), HERE)
            await stream.send_all(json.dumps(one).encode() + b"\n")

    assert len(await ask(nursery, endless)) == PROVIDERS_MAX


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (response(b"<html>", "text/html; charset=utf-8"), "'text/html', not JSON"),
        (response(b"{", "application/json"), "is not one"),
        (response(b"[" * 100_000, "application/json"), "is not one"),
        (response(b"x" * 70_000, "application/x-ndjson"), "a line of over"),
        (response(b'{"a":1}\n' * 200_000, "application/json"), "is over 1048576 bytes"),
    ],
)
async def test_an_answer_that_is_none_is_blamed_on_the_server(
    nursery: trio.Nursery, answer: bytes, says: str
) -> None:
    with pytest.raises(PeerError, match=says):
        await ask(nursery, answer)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (response(b"", status="500 Oops"), "it answers 500"),
        (response(b"", "text/html", "302 Found", "Location: http://127.0.0.1:1/"), "answers 302"),
        (b"not http at all\r\n\r\n", "http://127.0.0.1"),
        (b"", "http://127.0.0.1"),
    ],
)
async def test_a_server_that_cannot_answer_is_named(
    nursery: trio.Nursery, answer: bytes, says: str
) -> None:
    with pytest.raises(ResourceError, match=says):
        await ask(nursery, answer)


async def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(ResourceError, match=r"http://127\.0\.0\.1:1: "):
        await delegated_routing.providers("http://127.0.0.1:1", ROOT)


async def drip(start: bytes, stream: trio.SocketStream) -> None:
    await stream.send_all(start)
    while True:
        await trio.sleep(6)
        await stream.send_all(b" ")


async def test_a_server_that_drips_is_left_in_time_and_what_it_said_counts(
    nursery: trio.Nursery, mock_clock: trio.testing.MockClock
) -> None:
    mock_clock.autojump_threshold = 0.5
    some = await server(nursery, partial(drip, in_lines(entry(BOB, HERE))))
    nothing = await server(nursery, partial(drip, in_json([])[:-3]))

    assert await delegated_routing.providers(some, ROOT) == [FOUND]
    with pytest.raises(ResourceError, match="no answer within 10 s"):
        await delegated_routing.providers(nothing, ROOT)
    assert not trio.to_thread.current_default_thread_limiter().borrowed_tokens


@pytest.mark.parametrize(
    "endpoint",
    ["https://example.org", "https://example.org:8443/x", "http://127.0.0.1:8080",
     "http://[::1]:80", "http://localhost:8080"],
)  # fmt: skip
def test_servers_by_https_or_on_this_computer_may_be_asked(endpoint: str) -> None:
    check_endpoint(endpoint)


@pytest.mark.parametrize(
    "endpoint",
    ["http://example.org", "http://192.168.1.1", "ftp://127.0.0.1", "https://", "example.org", "",
     "https://u:p@example.org", "https://example.org?x=1", "https://x:99999999", "https://[::1"],
)  # fmt: skip
def test_other_servers_may_not(endpoint: str) -> None:
    with pytest.raises(UsageError):
        check_endpoint(endpoint)
