"""What an operator may say of the workshop's power, and what is refused with its line."""

import pytest

from commonfab.node.energy.settings import NO_LIMIT_W, Energy
from commonfab.node.home import config, config_text
from commonfab.protocol.errors import UsageError

WORKSHOP = '[workshop]\nname = "Motion Lab"\nlat = 52.5\nlon = 13.4\n'
MACHINE = """[[machine]]
id = "mk3"
process = "fff-printing"
volume_mm = [250, 210, 210]
materials = [{material = "PLA", grams = 1000}]
"""


def energy(lines: str) -> Energy:
    return config.parse(f"{WORKSHOP}\n[energy]\n{lines}\n", "commonfab.toml", {}).energy


def test_power_that_nobody_speaks_of_has_no_limit_and_no_panels() -> None:
    assert config.parse(WORKSHOP, "commonfab.toml", {}).energy == Energy()
    assert (Energy().grid_w, Energy().panel_w) == (NO_LIMIT_W, 0)


def test_panels_off_the_grid_are_settings() -> None:
    assert energy("grid_w = 0\npanel_w = 800").panel_w == 800


@pytest.mark.parametrize(
    ("lines", "refusal"),
    [
        (
            "grid_w = 0",
            "commonfab.toml:7: energy.grid_w: no grid, and no panels in panel_w: "
            "no machine here could run",
        ),
        (
            "grid_g_by_hour = [100, 200]",
            "commonfab.toml:7: energy.grid_g_by_hour: 2 numbers; a day has 24 hours",
        ),
        (
            f"grid_w = 200\n{MACHINE}power_w = 100\npeak_w = 300",
            "commonfab.toml:14: machine.peak_w: mk3 draws 300 W, and [energy] never gives more than"
            " 200 W",
        ),
        (
            f"grid_w = 50\npanel_w = 400\ninverter_w = 100\n{MACHINE}power_w = 151",
            "commonfab.toml:15: machine.power_w: mk3 draws 151 W, and [energy] never gives more"
            " than 150 W",
        ),
        (
            f"{MACHINE}power_w = 200\npeak_w = 100",
            "commonfab.toml:13: machine.peak_w: mk3 peaks at less than it draws on average",
        ),
        ("grid_w = -1", "commonfab.toml:7: energy.grid_w: expected whole number >= 0"),
        ("panel_tilt = 91", "commonfab.toml:7: energy.panel_tilt: expected whole number <= 90"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(lines: str, refusal: str) -> None:
    with pytest.raises(UsageError) as refused:
        energy(lines)

    assert str(refused.value) == refusal


def test_a_new_file_says_what_each_of_them_means() -> None:
    text = config_text.compose(config.parse(WORKSHOP, "commonfab.toml", {}))

    assert "[energy]" in text
    assert "# grid_w = 1000000" in text
