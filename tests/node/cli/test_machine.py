"""What a person says of a machine is kept and shown."""

from pathlib import Path

from tests.node.cli.test_main import PRINTER, init, refused
from tests.node.running import commonfab


def test_a_machines_tool_and_hours_are_kept_and_shown(tmp_path: Path) -> None:
    home = init(tmp_path / "node")

    added = commonfab(
        *("machine", "add", "mk3", *PRINTER, "--nozzle", "0.4", "--tolerance", "0.15"),
        *("--temperature", "290", "--hours", "Mon-Fri 09:00-18:00", "--hours", "Sat 10:00-12:00"),
        *("--attended", "Mon 09:00-10:00"),
        home=home,
    )
    [listed] = commonfab("machine", "list", "--json", home=home).json
    shown = " ".join(commonfab("machine", "list", home=home).out.split())

    assert added.code == 0, added.err
    assert (listed["nozzle_um"], listed["tolerance_um"], listed["temperature_c"]) == (400, 150, 290)
    assert listed["hours"] == "Mon-Fri 09:00-18:00, Sat 10:00-12:00"
    assert listed["attended"] == "Mon 09:00-10:00"
    assert (
        "mk3: tool 0.4 mm; exact to 0.15 mm; heats to 290 \N{DEGREE SIGN}C;"
        " runs Mon-Fri 09:00-18:00, Sat 10:00-12:00; attended Mon 09:00-10:00"
    ) in shown


def test_hours_that_are_none_are_refused_with_an_example(tmp_path: Path) -> None:
    home = init(tmp_path / "node")

    ended = commonfab("machine", "add", "mk3", *PRINTER, "--hours", "9 to 5", home=home)

    refused(ended, "machine.hours", 'write for example "Mon-Fri 09:00-18:00"')
