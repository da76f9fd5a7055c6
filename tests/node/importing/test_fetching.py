"""Files from the web: what is asked for, of whom, and where it ends."""

import dataclasses
from pathlib import Path

import pytest

from commonfab.node.importing.fetching import Fetcher, is_public, name_of
from commonfab.protocol.errors import ResourceError, UsageError
from tests.node.importing.test_importing import take
from tests.node.importing.web import HOST, serving
from tests.node.manifests.folders import HEAD, PART
from tests.node.meshes.mesh_files import CUBE, binary_stl


async def test_a_file_is_fetched_over_its_redirections(tmp_path: Path) -> None:
    pages = {"/a": (302, b"/b?x=1"), "/b?x=1": (200, b"content")}
    with serving(tmp_path, pages) as web:
        end = await web.fetcher.fetch(f"{web.url}/a", tmp_path / "file")

    assert end == f"{web.url}/b?x=1"
    assert (tmp_path / "file").read_bytes() == b"content"
    assert {host.split(":")[0] for _, host in web.asked} == {HOST}


async def test_a_redirection_is_checked_like_an_address(tmp_path: Path) -> None:
    pages = {"/a": (302, b"http://files.example/b"), "/loop": (302, b"/loop")}
    with serving(tmp_path, pages) as web:
        with pytest.raises(UsageError, match="is no https address"):
            await web.fetcher.fetch(f"{web.url}/a", tmp_path / "file")
        with pytest.raises(ResourceError, match="leads on and on"):
            await web.fetcher.fetch(f"{web.url}/loop", tmp_path / "file")


async def test_what_is_too_long_is_refused_and_what_is_not_there_is_said(tmp_path: Path) -> None:
    with serving(tmp_path, {"/a": (200, bytes(2000))}) as web:
        with pytest.raises(ResourceError, match="is longer than"):
            await web.fetcher.fetch(f"{web.url}/a", tmp_path / "file", 1000)
        with pytest.raises(ResourceError, match="answers 404"):
            await web.fetcher.fetch(f"{web.url}/b", tmp_path / "other")


async def test_a_server_whose_certificate_is_for_another_is_not_believed(tmp_path: Path) -> None:
    with serving(tmp_path, {"/a": (200, b"x")}) as web:
        url = f"{web.url}/a".replace(HOST, "other.example")
        with pytest.raises(ResourceError, match="cannot be fetched"):
            await web.fetcher.fetch(url, tmp_path / "file")
        unknown = Fetcher(allow_private=True, lookup=web.fetcher.lookup)
        with pytest.raises(ResourceError, match="cannot be fetched"):
            await unknown.fetch(f"{web.url}/a", tmp_path / "other")

    assert web.asked == []


async def test_an_address_of_this_network_is_asked_only_if_somebody_says_so(
    tmp_path: Path,
) -> None:
    with serving(tmp_path, {"/a": (200, b"x")}) as web:
        careful = dataclasses.replace(web.fetcher, allow_private=False)
        with pytest.raises(UsageError, match=r"leads to 127\.0\.0\.1, within this network"):
            await careful.fetch(f"{web.url}/a", tmp_path / "file")
        # One private address among public ones is enough: who knows which would be asked.
        mixed = dataclasses.replace(careful, lookup=_public_and_private)
        with pytest.raises(UsageError, match=r"leads to 10\.0\.0\.1"):
            await mixed.fetch(f"{web.url}/a", tmp_path / "file")

    assert web.asked == []


def _public_and_private(_host: str, _port: int) -> list[str]:
    return ["8.8.8.8", "10.0.0.1"]


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.1.2.3", "::1",
     "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1",
     "224.0.0.1", "ff02::1"],
)  # fmt: skip
def test_addresses_that_are_not_the_internets_are_known(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://files.example/a", "is no https address"),
        ("file:///etc/passwd", "is no https address"),
        ("https:///a", "is no https address"),
        ("https://files.example/" + "a" * 3000, "is no https address"),
        ("https://files.example/a\nb", "is no https address"),
        ("https://files.example:x/", "is no address"),
        ("https://[::1", "is no address"),
        ("https://ann:secret@files.example/", "files.example: names and passwords are not sent"),
    ],
)
async def test_an_address_that_cannot_be_fetched_is_refused(
    tmp_path: Path, url: str, said: str
) -> None:
    fetcher = Fetcher(lookup=lambda _host, _port: [])
    with pytest.raises(UsageError, match=said):
        await fetcher.fetch(url, tmp_path / "file")


async def test_a_host_that_nobody_knows_is_said(tmp_path: Path) -> None:
    def unknown(_host: str, _port: int) -> list[str]:
        raise OSError("no such host")

    with pytest.raises(ResourceError, match=r"files\.example: cannot be found: no such host"):
        await Fetcher(lookup=unknown).fetch("https://files.example/a", tmp_path / "file")
    nowhere = Fetcher(lookup=lambda _host, _port: [])
    with pytest.raises(ResourceError, match="has no address"):
        await nowhere.fetch("https://files.example/a", tmp_path / "file")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://files.example/a/okh.toml?raw=1", "okh.toml"),
        ("https://files.example/a%2f..%2F.ssh", "ssh"),
        ("https://files.example/", "file"),
        ("https://files.example/a b;c", "a-b-c"),
    ],
)
def test_a_file_is_named_by_its_address_without_what_leads_elsewhere(url: str, name: str) -> None:
    assert name_of(url) == name


async def test_a_manifest_on_the_web_brings_the_files_beside_it(tmp_path: Path) -> None:
    pages = {
        "/repo/okh.toml": (200, (HEAD + PART).encode()),
        "/repo/clip.stl": (200, binary_stl(CUBE)),
        "/repo/pictures/clip.png": (200, b"png"),
    }
    with serving(tmp_path, pages) as web:
        (done,) = await take(f"{web.url}/repo/okh.toml", tmp_path / "in", web.fetcher)

    assert (done.why_not, done.name) == ("", "Clip")
    assert (tmp_path / "in" / "clip" / "clip.stl").read_bytes() == binary_stl(CUBE)


async def test_a_mesh_on_the_web_that_is_not_there_is_a_result(tmp_path: Path) -> None:
    with serving(tmp_path, {}) as web:
        (done,) = await take(f"{web.url}/clip.stl", tmp_path / "in", web.fetcher)

    assert (done.folder, "answers 404" in done.why_not) == ("", True)
