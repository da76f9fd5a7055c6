"""The doctor: on a node that is well, on one that is stopped, and on each thing that can ail it."""

import socket
import sqlite3
from pathlib import Path

import msgspec
import pytest

from commonfab.node.answers.keeping import KeepingState
from commonfab.node.home import config, doctor, founding
from commonfab.node.home.doctor import Finding
from commonfab.node.home.folder import Home
from commonfab.protocol.ids import NodeId, RecordId, Timestamp
from commonfab.protocol.limits import DAY_MS
from commonfab.protocol.peer_id import peer_text
from commonfab.storage.ports import Quarantined, StoredRecord
from commonfab.storage.records import SqliteRecordStore
from tests.node.running import commonfab, held, running_node

SETTINGS = config.Settings(workshop=config.Workshop(name="Bob's", lat=48.1, lon=11.6))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    where = Home(tmp_path / "node")
    founding.found(where, SETTINGS)
    return where


def found(home: Home, about: str, **environment: str) -> Finding:
    """Return what the doctor finds of one thing."""
    (finding,) = [f for f in doctor.examine_home(home, environment) if f.about == about]
    return finding


def test_a_new_node_is_well(home: Home) -> None:
    findings = doctor.examine(home, {})

    assert [finding.about for finding in findings] == [
        *("python", "libp2p", "clock", "meshes", "sandbox", "home", "key", "settings", "disk"),
        *("node", "records", "ports"),
    ]
    assert {finding.verdict for finding in findings} <= {"ok", "warn"}
    assert f"commonfab run --home {home}" in found(home, "node").way_out


def test_the_command_ends_with_1_if_anything_failed_and_says_what(home: Home) -> None:
    home.key.chmod(0o644)

    shown = commonfab("doctor", home=home.path)

    assert shown.code == 1
    assert f"chmod 600 {home.key}" in shown.out
    assert "ok    settings" in shown.out


def test_without_a_home_only_the_program_is_looked_at(tmp_path: Path) -> None:
    (finding,) = doctor.examine_home(Home(tmp_path / "none"), {})

    assert (finding.about, finding.verdict) == ("home", "fail")
    assert "commonfab init" in finding.says


def test_a_home_that_others_can_look_into_is_a_warning(home: Home) -> None:
    home.path.chmod(0o755)

    finding = found(home, "home")

    assert (finding.verdict, finding.way_out) == ("warn", f"chmod 700 {home}")


def test_a_mistake_in_the_settings_is_named_with_its_line(home: Home) -> None:
    home.config.write_text(home.config.read_text() + "litsen = 1\n")

    finding = found(home, "settings")

    assert finding.verdict == "fail"
    assert "ipfs.litsen: no such setting" in finding.says


def test_words_that_only_this_workshop_uses_are_told(home: Home) -> None:
    with home.config.open("a") as file:
        file.write(
            '[[machine]]\nid = "a"\nprocess = "fdm"\nvolume_mm = [9, 9, 9]\n'
            'materials = [{ material = "Willow", grams = 1 }, { material = "pla", grams = 1 }]\n'
        )

    told = [
        finding.says for finding in doctor.examine_home(home, {}) if finding.about == "settings"
    ]

    assert told == ["1 machine", "words of its own: Willow"]


def test_a_process_that_holds_the_home_and_does_not_answer_is_named(home: Home) -> None:
    with held(home.path) as pid:
        finding = found(home, "node")

    assert finding.verdict == "fail"
    assert f"pid {pid} holds the home" in finding.says


def test_a_stale_socket_is_told_and_harmless(home: Home) -> None:
    with socket.socket(socket.AF_UNIX) as dead, home.socket_path() as path:
        dead.bind(path)

    finding = found(home, "node")

    assert (finding.verdict, finding.says) == ("ok", "does not run, and left its socket: harmless")


def test_a_port_that_is_taken_is_found(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        finding = found(home, "ports", COMMONFAB_NETWORK_LISTEN=f"/ip4/127.0.0.1/tcp/{port}")

    assert finding.verdict == "fail"
    assert f"{port}: Address already in use" in finding.says


def _keep(home: Home, count: int) -> None:
    # No envelopes: what the store checks of these rows is their own checksum.
    store = SqliteRecordStore(home.records, identify=lambda data: RecordId(data))
    store.put_many(
        StoredRecord(
            id=RecordId(bytes([index]) * 32),
            author=NodeId(b"b" * 32),
            kind="design",
            stream=f"design/{index}",
            seq=1,
            at=Timestamp(1),
            until=Timestamp(0),
            data=bytes([index]) * 32,
        )
        for index in range(count)
    )
    store.close()


def test_bad_records_of_peers_are_listed_with_their_senders_and_are_no_damage(home: Home) -> None:
    store = SqliteRecordStore(home.records, identify=lambda data: RecordId(data))
    sender = NodeId(b"e" * 32)
    store.put_quarantine(Quarantined(RecordId(b"b" * 32), "forged", b"bytes", sender))
    store.close()

    lines = [f.says for f in doctor.examine_home(home, {}) if f.about == "quarantine"]

    assert lines == [
        "1 bad record of peers put aside",
        f"62626262 from {peer_text(sender)}: forged",
    ]
    assert found(home, "records").says == "0 whole"


def test_records_that_are_damaged_are_counted(home: Home) -> None:
    _keep(home, 3)
    database = sqlite3.connect(home.records)
    database.execute("UPDATE record SET data = x'00' WHERE stream = 'design/1'")
    database.commit()
    database.close()

    finding = found(home, "records")

    assert finding.verdict == "warn"
    assert "damaged" in finding.says


def test_a_file_that_is_no_record_store_is_named(home: Home) -> None:
    home.records.write_bytes(b"not a database, but long enough to be looked at " * 100)

    finding = found(home, "records")

    assert finding.verdict == "fail"
    assert str(home.records) in finding.says


WELL = KeepingState(
    here_bytes=1_000_000_000,
    quota_bytes=20_000_000_000,
    scrub_started=8 * DAY_MS,
    scrub_ended=9 * DAY_MS,
    unmended=0,
    promised=2,
    checked=3,
    failing=[],
)
NOW = 12 * DAY_MS


def test_a_node_that_keeps_well_is_told_so() -> None:
    scrub, quota, promises = doctor.of_keeping(WELL, DAY_MS, NOW)

    assert {finding.verdict for finding in (scrub, quota, promises)} == {"ok"}
    assert scrub.says.startswith("all was read until ")
    assert quota.says == "1.0 GB of 20.0 GB"
    assert promises.says == "2 made, 3 of others checked"


@pytest.mark.parametrize(
    ("about", "change", "says"),
    [
        ("scrub", {"scrub_started": 0, "scrub_ended": 0}, "nothing was read yet; it is due"),
        ("scrub", {"scrub_started": DAY_MS}, "it is due each week"),
        ("scrub", {"scrub_started": DAY_MS, "scrub_ended": 0}, "is being read since"),
        ("scrub", {"unmended": 2}, "2 blocks damaged"),
        ("quota", {"here_bytes": 20_000_000_001}, "20.0 GB of 20.0 GB"),
        ("promises", {"failing": ["bob\x1b[2J: hook"]}, "1 failing: bob"),
    ],
)
def test_what_ails_the_keeping_is_a_warning_with_a_way_out(
    about: str, change: dict[str, object], says: str
) -> None:
    ailing = msgspec.structs.replace(WELL, **change)

    (finding,) = [f for f in doctor.of_keeping(ailing, DAY_MS, NOW) if f.verdict != "ok"]

    assert (finding.about, finding.verdict) == (about, "warn")
    assert says in finding.says
    assert "\x1b" not in finding.says
    assert finding.way_out


def test_a_node_that_has_just_started_is_not_late_with_its_scrub() -> None:
    new = msgspec.structs.replace(WELL, scrub_started=0, scrub_ended=0)

    assert {finding.verdict for finding in doctor.of_keeping(new, NOW, NOW)} == {"ok"}


def test_a_node_that_runs_tells_how_it_keeps(home: Home) -> None:
    with running_node(home.path):
        verdicts = {finding.about: finding.verdict for finding in doctor.examine_home(home, {})}

    assert [verdicts[about] for about in ("node", "scrub", "quota", "promises")] == ["ok"] * 4


def test_what_mends_libp2p_is_for_one_version() -> None:
    from importlib import metadata

    assert doctor.pinned("libp2p") == metadata.version("libp2p")
    assert doctor.pinned("click") == ""
