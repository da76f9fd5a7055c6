"""A machine's slicer in the settings: what is refused before anything runs."""

import pytest

from commonfab.node.home import config
from commonfab.protocol.errors import UsageError

SHOP = """
[workshop]
name = "Shop"
lat = 0
lon = 0
[[machine]]
id = "mk3"
process = "fff-printing"
volume_mm = [250, 210, 210]
materials = [{material = "PLA", grams = 1000}]
"""


def parse(more: str) -> config.Settings:
    return config.parse(SHOP + more, "commonfab.toml", {})


def test_a_machine_with_a_bundle_chooses_a_filament_by_its_material() -> None:
    slicer = (
        parse(
            '[machine.slicer]\nprofile = "x.ini"\nprinter = "MK3"\nprint = "0.20mm"\n'
            'filaments = {PETG = "Prusament PETG"}\n'
        )
        .machines[0]
        .slicer
    )

    assert slicer is not None
    assert slicer.is_bundled
    assert slicer.preset_for("PETG") == "Prusament PETG"
    assert slicer.preset_for("PLA") == "Generic PLA"


@pytest.mark.parametrize(
    ("slicer", "why"),
    [
        ("", "prusa-slicer wants a profile"),
        ('profile = "x"\nprinter = "MK3"', "both a printer and a print preset"),
        ('command = "slice {model}"', "the command lacks {gcode}"),
        ('command = "slice {model} {gcode} {speed}"', "{speed} means nothing here"),
        ('command = "slice {model} {gcode} {profile}"', "the command wants {profile}"),
        ('command = "slice \'x"', "No closing quotation"),
        ('comand = "slice"', "no such setting; did you mean command?"),
    ],
)
def test_a_slicer_that_cannot_work_is_refused_with_its_place(slicer: str, why: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(f"[machine.slicer]\n{slicer}\n")

    assert "commonfab.toml" in str(refused.value)
    assert "slicer" in str(refused.value)
    assert why in str(refused.value)


def test_a_tariff_is_read_in_hundredths() -> None:
    tariff = (
        parse("tariff = {setup = 2.5, minimum = 5, steps = [{pieces = 10, percent_off = 15}]}\n")
        .machines[0]
        .tariff.terms()
    )

    assert (tariff.setup_minor, tariff.minimum_minor) == (250, 500)
    assert [(step.pieces, step.percent_off) for step in tariff.steps] == [(10, 15)]
