"""Vendor bundles: presets that inherit become flat settings."""

from pathlib import Path

import pytest

from commonfab.node.slicing.bundle import Bundle, Presets, load
from commonfab.protocol.errors import ResourceError, UsageError

TEXT = """
[vendor]
name = Maker

[print:*base*]
layer_height = 0.3
perimeters = 2
# fill_density = 99%

[print:*fast*]
perimeters = 1
infill_speed = 200

[print:0.20mm QUALITY]
inherits = *base*; *fast*
layer_height = 0.2
post_process = rm -rf /
compatible_printers_condition = nozzle_diameter[0]==0.4

[printer:One]
bed_shape = 0x0,200x0,200x200,0x200
start_gcode = G28 ; home = all axes\\nG1 X0

[filament:Generic PLA]
temperature = 210
layer_height = 0.2
"""
PRESETS = Presets("One", "0.20mm QUALITY", "Generic PLA")


def test_a_preset_has_what_it_inherits_the_later_over_the_earlier_and_its_own_over_all() -> None:
    flat = Bundle(TEXT, "b.ini").flatten(PRESETS).splitlines()

    assert flat == [
        "bed_shape = 0x0,200x0,200x200,0x200",
        "infill_speed = 200",
        "layer_height = 0.2",
        "perimeters = 1",
        "start_gcode = G28 ; home = all axes\\nG1 X0",
        "temperature = 210",
    ]


def test_presets_that_only_others_inherit_from_are_not_for_choosing() -> None:
    assert Bundle(TEXT, "b.ini").names("print") == ["0.20mm QUALITY"]


def test_a_name_that_is_not_there_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no print preset '0.2mm QUALITY'; did you mean '0.20mm"):
        Bundle(TEXT, "b.ini").flatten(PRESETS._replace(print="0.2mm QUALITY"))


def test_a_preset_that_inherits_from_itself_is_refused() -> None:
    circle = Bundle("[printer:a]\ninherits = b\n[printer:b]\ninherits = a\n", "b.ini")

    with pytest.raises(UsageError, match="inherits without end"):
        circle.flatten(Presets("a", "a", "a"))


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "flat.ini").write_text("layer_height = 0.2\n")
    (tmp_path / "no.ini").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(UsageError, match="holds no presets"):
        load(tmp_path / "flat.ini")
    with pytest.raises(UsageError, match="not text"):
        load(tmp_path / "no.ini")
    with pytest.raises(ResourceError, match=r"gone.ini: No such file.*check slicer.profile"):
        load(tmp_path / "gone.ini")
