"""Our client of the Pinning Service API: what it asks, whom it trusts, what it bears."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

from commonfab.node.ipfs.pinning_service import PinningService
from commonfab.protocol.errors import PeerError, ResourceError, UsageError
from commonfab.storage.cid import CID, DAG_PB, RAW
from tests.node.finding.http_garbage import answering
from tests.peers.pinning_server import PinningServer, running_pinning_server

ROOT = CID.of(b"a design", codec=RAW)
OTHER = CID.of(b"another", codec=RAW)
TOKEN = "very-secret"  # noqa: S105  # of this test


@pytest.fixture
def server() -> Iterator[PinningServer]:
    with running_pinning_server(TOKEN) as running:
        yield running


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    path.chmod(0o600)
    return path


async def test_a_tree_is_pinned_listed_and_unpinned(server: PinningServer, token: Path) -> None:
    service = PinningService("coop", server.endpoint, token)

    asked = await service.pin(ROOT, "wall hook", ["/ip4/127.0.0.1/tcp/1/p2p/12D3KooW"])
    await service.pin(OTHER, "other", [])

    assert (asked.status, asked.pin.cid, asked.pin.name) == ("queued", str(ROOT), "wall hook")
    assert server.pins[asked.requestid]["pin"]["origins"] == ["/ip4/127.0.0.1/tcp/1/p2p/12D3KooW"]
    count, found = await service.pins()
    assert (count, {each.pin.cid for each in found}) == (2, {str(ROOT), str(OTHER)})
    assert await service.unpin(ROOT) == 1
    assert await service.unpin(ROOT) == 0
    assert [each.pin.cid for each in (await service.pins())[1]] == [str(OTHER)]


async def test_a_pin_is_known_by_both_versions_of_its_root(
    server: PinningServer, token: Path
) -> None:
    service = PinningService("coop", server.endpoint, token)
    old, new = (CID.of(b"", codec=DAG_PB, version=version) for version in (0, 1))

    await service.pin(old, "wall hook", [])

    assert [each.pin.cid for each in await service.find(new)] == [str(old)]
    assert await service.unpin(new) == 1


async def test_what_is_asked_for_already_is_not_asked_for_again_unless_it_failed(
    server: PinningServer, token: Path
) -> None:
    service = PinningService("coop", server.endpoint, token)
    first = await service.pin(ROOT, "hook", [])

    assert (await service.pin(ROOT, "hook", [])).requestid == first.requestid
    server.pins[first.requestid]["status"] = "failed"
    assert (await service.pin(ROOT, "hook", [])).requestid != first.requestid
    assert await service.unpin(ROOT) == 2


async def test_a_wrong_token_is_refused_in_the_words_of_the_service(
    server: PinningServer, token: Path
) -> None:
    server.token = "another"  # noqa: S105  # of this test

    with pytest.raises(ResourceError, match=r"coop: it answers 401: UNAUTHORIZED"):
        await PinningService("coop", server.endpoint, token).pins()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_token_that_others_can_read_is_sent_to_nobody(
    server: PinningServer, token: Path, mode: int
) -> None:
    token.chmod(mode)

    with pytest.raises(UsageError, match="chmod 600"):
        trio.run(PinningService("coop", server.endpoint, token).pins)

    assert server.asked == []


@pytest.mark.parametrize("text", ["", "two\nlines", "über", "x" * 20_000])
def test_a_file_that_holds_no_token_is_named(server: PinningServer, token: Path, text: str) -> None:
    token.write_text(text)

    with pytest.raises(UsageError, match=r"token: not a token"):
        trio.run(PinningService("coop", server.endpoint, token).pins)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://example.org/psa",
        "http://127.0.0.1.example.org",
        "ftp://127.0.0.1",
        "https://me:secret@example.org",
        "https://",
        "http://[::1",
        "",
    ],
)
def test_a_token_goes_only_over_https_or_to_this_computer(endpoint: str, token: Path) -> None:
    with pytest.raises(UsageError):
        PinningService("coop", endpoint, token)


async def test_a_service_that_drips_is_left_in_time_and_keeps_no_thread_from_others(
    nursery: trio.Nursery, mock_clock: trio.testing.MockClock, token: Path
) -> None:
    mock_clock.autojump_threshold = 0.5
    is_left = trio.Event()

    async def drip(stream: trio.SocketStream) -> None:
        await stream.send_all(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                await trio.sleep(20)
                await stream.send_all(b" ")
        except trio.BrokenResourceError:
            is_left.set()

    (door,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, drip, [door])
    endpoint = f"http://127.0.0.1:{door.socket.getsockname()[1]}"

    with pytest.raises(ResourceError, match="no answer within 30 s"):
        await PinningService("coop", endpoint, token).pins()
    assert not trio.to_thread.current_default_thread_limiter().borrowed_tokens
    await is_left.wait()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n<html>hello</html>", PeerError),
        (b'HTTP/1.1 200 OK\r\n\r\n{"count": 1, "results": [{}]}', PeerError),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 5_000_000, PeerError),
        (b"HTTP/1.1 500 Oh\r\n\r\n\x00\xff", ResourceError),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", ResourceError),
        (b"not http at all\r\n\r\n", ResourceError),
        (b"", ResourceError),
    ],
    ids=["html", "not typed", "endless", "error", "redirect", "no http", "hang up"],
)
async def test_an_answer_that_is_none_is_refused(
    answer: bytes, error: type[Exception], token: Path
) -> None:
    with answering(answer) as port, pytest.raises(error, match="coop"):
        await PinningService("coop", f"http://127.0.0.1:{port}", token).pins()
