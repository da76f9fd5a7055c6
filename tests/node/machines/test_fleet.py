"""What others learn of a workshop's machines, and for whom they make something."""

from collections.abc import Generator
from pathlib import Path

import pytest

from commonfab.node import clock
from commonfab.node.home import config, keys
from commonfab.node.machines import week
from commonfab.node.machines.settings import Machine, Material
from commonfab.node.network.memory_transport import MemoryNetwork, MemoryTransport
from commonfab.node.node import Node
from commonfab.protocol.ids import Timestamp
from commonfab.protocol.records import Request
from tests.builders import a_request
from tests.node.village import a_home, a_machine
from tests.protocol.signers import EVE
from tests.scheduler.worlds import a_part

SUMMER = Timestamp(1_780_000_000_000)
OFFICE = ("Mon-Fri 09:00-18:00",)


@pytest.fixture
def node(tmp_path: Path, machine: Machine, environment: dict[str, str]) -> Generator[Node]:
    """Return a node that does not run, with one machine."""
    home = a_home(tmp_path, "bob", machine)
    key = keys.load(home.key)
    transport = MemoryTransport(key.node, MemoryNetwork())
    made = Node(home, config.load(home.config, environment), {}, key, transport)
    yield made
    made.library.close()


FINE = a_machine(
    nozzle_mm=0.4, tolerance_mm=0.15, temperature_c=290, hours=OFFICE, attended=("Mon 8:00-10:00",)
)


@pytest.mark.parametrize(
    ("machine", "environment"),
    [(FINE, {"COMMONFAB_TRADE_LICENCES": "MIT, CC0-1.0", "COMMONFAB_TRADE_MAKES_FOR": "known"})],
)
def test_others_learn_what_the_settings_say_with_hours_in_utc(node: Node) -> None:
    [told] = node.fleet.describe(SUMMER)

    offset = clock.utc_offset_minutes(SUMMER)
    assert (told.nozzle_um, told.tolerance_um, told.temperature_c) == (400, 150, 290)
    assert told.hours == week.windows(OFFICE, offset)
    assert told.attended == week.windows(["Mon 08:00-10:00"], offset)
    assert (told.licences, told.makes_for) == (("MIT", "CC0-1.0"), "known")


@pytest.mark.parametrize(("machine", "environment"), [(a_machine(), {})])
def test_what_the_settings_leave_out_is_not_told(node: Node) -> None:
    [told] = node.fleet.describe(SUMMER)

    assert (told.nozzle_um, told.tolerance_um, told.temperature_c) == (0, 0, 0)
    assert (told.hours, told.attended, told.licences) == ((), (), ())
    assert told.makes_for == "everyone"


@pytest.mark.parametrize(
    ("machine", "environment"), [(a_machine(), {"COMMONFAB_TRADE_MAKES_FOR": "known"})]
)
def test_a_workshop_that_makes_for_known_nodes_makes_for_itself_and_for_no_stranger(
    node: Node,
) -> None:
    request = a_request(part=a_part(bbox_um=(1_000, 1_000, 1_000))).body
    assert isinstance(request, Request)

    assert isinstance(node.fleet.quote(request, SUMMER, node.me), list)
    assert node.fleet.quote(request, SUMMER, EVE.node) == (
        "mk makes only for those whom its owner knows."
    )


FREE = a_machine(price_per_hour=0.0, materials=(Material(material="PLA", grams=1000),))
LISTED = {"COMMONFAB_TRADE_LICENCES": "CC-BY-NC-4.0"}


@pytest.mark.parametrize(
    ("machine", "environment", "licence", "is_made"),
    [
        (a_machine(), {}, "CC-BY-NC-4.0", False),
        (a_machine(), {}, "CC-BY-NC-4.0 OR MIT", True),
        (a_machine(), {}, "CC-BY-SA-4.0", True),
        (a_machine(), {}, "LicenseRef-ours", True),
        (FREE, {}, "CC-BY-NC-4.0", True),
        (a_machine(), LISTED, "CC-BY-NC-4.0", True),
    ],
)
def test_what_nobody_may_earn_money_with_is_made_only_for_nothing_or_where_it_is_listed(
    node: Node, licence: str, is_made: bool
) -> None:
    part = a_part(bbox_um=(1_000, 1_000, 1_000), licence=licence)
    request = a_request(part=part).body
    assert isinstance(request, Request)

    answer = node.fleet.quote(request, SUMMER, EVE.node)

    assert isinstance(node.fleet.quote(request, SUMMER, node.me), list)
    if is_made:
        assert isinstance(answer, list)
    else:
        assert answer == (
            "CC-BY-NC-4.0 is for non-commercial use only, and this workshop is paid for its work;"
            " its operator may list the licence."
        )


@pytest.mark.parametrize(("machine", "environment"), [(a_machine(hours=OFFICE), {})])
def test_a_job_waits_until_its_machine_opens(node: Node) -> None:
    hour_ms, week_ms = 3_600_000, 7 * 24 * 3_600_000
    offset_ms = clock.utc_offset_minutes(clock.now()) * 60_000
    sunday_noon = 1_781_438_400_000 - offset_ms  # 14 June 2026 by the clocks of the place

    monday_at_nine = sunday_noon + 21 * hour_ms
    assert node.fleet.window("mk", sunday_noon, hour_ms) == (
        monday_at_nine,
        monday_at_nine + hour_ms,
    )
    assert node.fleet.window("mk", monday_at_nine + 9 * hour_ms, hour_ms) == (
        monday_at_nine + 24 * hour_ms,
        monday_at_nine + 25 * hour_ms,
    )
    assert node.fleet.window("mk", sunday_noon, week_ms) is None
