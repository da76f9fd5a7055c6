"""Is this node well? Each check says what it found, and what to do about it.

Works on a node that runs, on one that is stopped, and on one that will not start. It
changes nothing, but for a damaged record: reading it puts it aside.
"""

import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Literal

import msgspec

from commonfab.protocol.errors import CommonfabError
from commonfab.protocol.limits import DAY_MS
from commonfab.protocol.peer_id import peer_text
from commonfab.scheduler.vocabulary import materials, processes

from .. import clock
from ..answers.keeping import KeepingState
from ..answers.node import PeerLine, Status
from ..cli.words import count, moment, size, text
from ..control.client import Client, NoNode
from ..machines.settings import Machine
from . import config, keys
from .folder import Home, NodeRuns

Verdict = Literal["ok", "warn", "fail"]

_DISK_FREE_WARN = 2 << 30
_DISK_FREE_FAIL = 200 << 20
_SCRUB_LATE_MS = 10 * DAY_MS
"""A pass is due each week, and may take a day or two."""
_YEARS = range(2025, 2100)
"""In which a clock can be right."""
_PATIENCE_S = 10.0
_PUT_ASIDE_SHOWN = 10
_CORNERS = ("0 0 0", "9 0 0", "0 9 0", "0 0 9")
_TETRAHEDRON = ((0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3))


class Finding(msgspec.Struct, frozen=True):
    about: str
    verdict: Verdict
    says: str
    way_out: str = ""


def examine(home: Home, environment: Mapping[str, str]) -> list[Finding]:
    """Return all findings, in the order in which to act on them."""
    return [*examine_program(), *examine_home(home, environment)]


def examine_program() -> list[Finding]:
    """Return what there is to say of any node here."""
    checks = {
        "python": _python,
        "libp2p": _libp2p,
        "clock": _clock,
        "meshes": _meshes,
        "sandbox": _sandbox,
    }
    return [finding for about, check in checks.items() for finding in _guarded(about, check)]


def examine_home(home: Home, environment: Mapping[str, str]) -> list[Finding]:
    """Return what there is to say of one node; nothing more of a home that is none."""
    findings = _guarded("home", lambda: _home(home))
    if any(finding.verdict == "fail" for finding in findings):
        return findings
    findings += _guarded("key", lambda: _key(home))
    findings += _guarded("settings", lambda: _settings(home, environment))
    findings += _guarded("disk", lambda: _disk(home))
    return [*findings, *_guarded("node", lambda: _node(home, environment))]


def _guarded(about: str, check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """Run a check; an error of ours is a finding, and says the way out itself."""
    try:
        return list(check())
    except CommonfabError as error:
        return [Finding(about, "fail", str(error))]


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.flags.optimize:
        way_out = "run it without -O, and without PYTHONOPTIMIZE"
        yield Finding("python", "fail", f"{version}, and its checks are turned off", way_out)
    else:
        yield Finding("python", "ok", version)


def _libp2p() -> Iterator[Finding]:
    wanted = pinned("libp2p")
    try:
        found = metadata.version("libp2p")
        import libp2p  # pyright: ignore[reportUnusedImport]  # noqa: F401  # whether it loads
    except (ImportError, metadata.PackageNotFoundError) as error:
        way_out = "set it up again with: make; if libgmp is missing: apt-get install libgmp10"
        yield Finding("libp2p", "fail", f"does not load: {error}", way_out)
        return
    if wanted in ("", found):
        yield Finding("libp2p", "ok", found)
    else:
        way_out = f"pip install libp2p=={wanted}"
        yield Finding("libp2p", "fail", f"{found}, and what mends it is for {wanted}", way_out)


def pinned(package: str) -> str:
    """Return the one version that this program is made for."""
    for requirement in metadata.requires("commonfab") or []:
        name, _, version = requirement.partition("==")
        if name.strip() == package:
            return version.strip()
    return ""


def _clock() -> Iterator[Finding]:
    year = datetime.fromtimestamp(clock.now() / 1000, UTC).year
    if year in _YEARS:
        yield Finding("clock", "ok", f"it is {year}")
    else:
        way_out = "set the clock; others ignore records from the future, and forget old ones"
        yield Finding("clock", "fail", f"it says that it is {year}", way_out)


def _meshes() -> Iterator[Finding]:
    import trio

    from ..meshes import measuring

    with tempfile.TemporaryDirectory(prefix="commonfab-") as folder:
        path = Path(folder) / "probe.stl"
        path.write_text(_probe_mesh())
        facts = trio.run(measuring.measure_mesh, path)
    if facts.watertight:
        yield Finding("meshes", "ok", "can be measured")
    else:
        yield Finding("meshes", "fail", "are measured wrong", "set it up again with: make")


def _sandbox() -> Iterator[Finding]:
    import trio

    from .. import sandbox
    from ..measured.fitting import why_not_here

    try:
        name = trio.run(sandbox.check)
    except sandbox.NoCage as error:
        says = f"no slicer runs here, and nothing is made to measure: {error}"
        yield Finding("sandbox", "warn", says)
        return
    why = why_not_here()
    yield Finding("sandbox", "ok", name, f"to make parts to measure: {why}" if why else "")


def _probe_mesh() -> str:
    """Return a tetrahedron as text STL."""
    lines = ["solid probe"]
    for face in _TETRAHEDRON:
        lines += ["facet normal 0 0 0", "outer loop"]
        lines += [f"vertex {_CORNERS[corner]}" for corner in face]
        lines += ["endloop", "endfacet"]
    return "\n".join([*lines, "endsolid probe", ""])


def _home(home: Home) -> Iterator[Finding]:
    home.check()
    if home.path.stat().st_mode & 0o077:
        yield Finding("home", "warn", f"others can look into {home}", f"chmod 700 {home}")
    else:
        yield Finding("home", "ok", str(home))


def _key(home: Home) -> Iterator[Finding]:
    yield Finding("key", "ok", f"{peer_text(keys.load(home.key).node)}, for its owner alone")


def _settings(home: Home, environment: Mapping[str, str]) -> Iterator[Finding]:
    settings = config.load(home.config, environment)
    if settings.machines:
        members = settings.queue.members
        shared = f", shared with {count(len(members), 'member')}" if members else ""
        yield Finding("settings", "ok", count(len(settings.machines), "machine") + shared)
        yield from _words(settings.machines)
    else:
        way_out = "commonfab machine add --help, if this workshop is to make things"
        yield Finding("settings", "ok", "no machines", way_out)


def _words(machines: Sequence[Machine]) -> Iterator[Finding]:
    """Say which processes and materials only this workshop calls so."""
    told = dict.fromkeys(machine.process for machine in machines)
    held = dict.fromkeys(each.material for machine in machines for each in machine.materials)
    unknown = [word for word in told if processes.find(word) is None]
    unknown += [word for word in held if materials.find(word) is None]
    if unknown:
        says = f"words of its own: {', '.join(map(text, unknown))}"
        yield Finding("settings", "ok", says, "right if those who order from you use them too")


def _disk(home: Home) -> Iterator[Finding]:
    free = shutil.disk_usage(home.path).free
    says = f"{free / 1e9:.1f} GB free"
    if free < _DISK_FREE_FAIL:
        yield Finding("disk", "fail", says, "make room; nothing more can be kept for sure")
    elif free < _DISK_FREE_WARN:
        yield Finding("disk", "warn", says, "make room soon")
    else:
        yield Finding("disk", "ok", says)


def _node(home: Home, environment: Mapping[str, str]) -> Iterator[Finding]:
    try:
        status = Client(home, patience_s=_PATIENCE_S).ask("status", {}, Status)
    except NoNode:
        yield from _stopped(home, environment)
        return
    yield Finding("node", "ok", f"runs, with {count(len(status.machines), 'machine')}")
    yield from (Finding("node", "warn", warning) for warning in status.warnings)
    yield _reach(status)
    yield from _put_aside(status.put_aside)
    client = Client(home, patience_s=_PATIENCE_S)
    yield from of_keeping(client.ask("keeping", {}, KeepingState), status.started, status.now)
    yield from _peers(home, environment)


def _reach(status: Status) -> Finding:
    if status.reach == "open":
        return Finding("reach", "ok", "others can dial this node")
    if status.reach == "unknown":
        return Finding("reach", "ok", "nobody has tried to dial this node yet")
    if status.relays:
        return Finding("reach", "ok", f"behind a router, through {count(status.relays, 'relay')}")
    way_out = "connect to a peer that helps as a relay, or open a port and set announce"
    return Finding("reach", "warn", "nobody who tried could dial this node", way_out)


def of_keeping(state: KeepingState, started: int, now: int) -> Iterator[Finding]:
    """Return what there is to say of what a node keeps, which has run since `started`."""
    yield _scrub(state, started, now)
    says = f"{size(state.here_bytes)} of {size(state.quota_bytes)}"
    if state.here_bytes > state.quota_bytes:
        way_out = "commonfab gc, commonfab drop, or a larger quota_gb in [storage]"
        yield Finding("quota", "warn", says, way_out)
    else:
        yield Finding("quota", "ok", says)
    says = f"{state.promised} made, {state.checked} of others checked"
    if state.failing:
        says += f", {len(state.failing)} failing: {text(state.failing[0])}"
        yield Finding("promises", "warn", says, "find another holder; see commonfab replicas")
    else:
        yield Finding("promises", "ok", says)


def _scrub(state: KeepingState, started: int, now: int) -> Finding:
    if state.unmended:
        says = f"{count(state.unmended, 'block')} damaged, and no connected peer has them"
        return Finding("scrub", "warn", says, "connect to a peer with the design, or publish again")
    late = now - max(state.scrub_started, started) > _SCRUB_LATE_MS
    if state.scrub_ended:
        says = f"all was read until {moment(state.scrub_ended, now)}"
    elif state.scrub_started:
        says = f"all is being read since {moment(state.scrub_started, now)}"
    else:
        says = "nothing was read yet"
    if late:
        return Finding("scrub", "warn", f"{says}; it is due each week", "commonfab scrub")
    return Finding("scrub", "ok", says)


def _peers(home: Home, environment: Mapping[str, str]) -> Iterator[Finding]:
    found = Client(home, patience_s=_PATIENCE_S).ask("peers", {}, list[PeerLine])
    linked = [peer for peer in found if peer.is_connected]
    says = f"{len(linked)} connected of {len(found)} known"
    wanted = config.load(home.config, environment).network.peers
    lost = [a for a in wanted if a.rpartition("/")[2] not in {peer.node for peer in linked}]
    if lost:
        yield Finding("peers", "warn", f"{says}; not reached: {lost[0]}", "does it run?")
    elif not linked:
        yield Finding("peers", "warn", says, "commonfab connect --help")
    else:
        yield Finding("peers", "ok", says)


def _stopped(home: Home, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Look at what only a node that does not run can be asked."""
    try:
        with home.lock():
            stale = ", and left its socket: harmless" if home.socket.exists() else ""
            start = f"commonfab run --home {home}"
            yield Finding("node", "ok", f"does not run{stale}", f"start it with: {start}")
            yield from _guarded("records", lambda: _records(home))
    except NodeRuns:
        holder = home.holder() or "a process that has just ended"
        way_out = "if it is not just starting or stopping, end it and start it again"
        yield Finding("node", "fail", f"{holder} holds the home, and does not answer", way_out)
        return
    yield from _ports(config.load(home.config, environment).network.listen)


def _records(home: Home) -> Iterator[Finding]:
    """Read every record, which checks it. The caller holds the lock."""
    from commonfab.protocol.envelope import identify
    from commonfab.storage.records import SqliteRecordStore

    if not home.records.exists():
        yield Finding("records", "ok", "none yet")
        return
    store = SqliteRecordStore(home.records, identify=identify)
    try:
        whole = sum(1 for _ in store.find())
        aside = store.quarantine()
    finally:
        store.close()
    damaged = sum(item.sender is None for item in aside)
    if damaged:
        way_out = "peers have others' records; of your own orders, ask those who had leases"
        yield Finding("records", "warn", f"{whole} whole, {damaged} damaged", way_out)
    else:
        yield Finding("records", "ok", f"{whole} whole")
    yield from _put_aside([str(item) for item in aside if item.sender is not None])


def _put_aside(bad: Sequence[str]) -> Iterator[Finding]:
    """Tell of bad records that peers sent: they harm nothing."""
    if bad:
        yield Finding("quarantine", "ok", f"{count(len(bad), 'bad record')} of peers put aside")
    yield from (Finding("quarantine", "ok", line) for line in bad[:_PUT_ASIDE_SHOWN])


def _ports(listen: tuple[str, ...]) -> Iterator[Finding]:
    for address in listen:
        _, family, host, _, port = address.split("/")
        kind = socket.AF_INET6 if family == "ip6" else socket.AF_INET
        with socket.socket(kind, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, int(port)))
            except OSError as error:
                way_out = "end what uses it, or change listen in the settings"
                yield Finding("ports", "fail", f"{address}: {error.strerror}", way_out)
            else:
                yield Finding("ports", "ok", f"{address} is free")
