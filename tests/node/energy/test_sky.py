"""What panels give under a clear sky, by pvlib: checked against what is known of the sun."""

import pytest

from commonfab.node.energy.energy import ask

JUNE, DECEMBER = 20_625, 20_808  # 21 June 2026, 21 December 2026


@pytest.mark.rule("ENERGY-7")
async def test_panels_in_berlin_give_what_its_clear_sky_does() -> None:
    june = await ask(52.5, 13.4, 35, 180, JUNE)

    assert len(june.watts) == 24
    assert june.watts[23] == june.watts[0] == 0
    assert 10 <= june.watts.index(max(june.watts)) <= 11  # UTC: the sun is highest at 11:08.
    # About 1,000 W/m2 at noon, less 14 % of losses and the inverter's.
    assert 700 <= max(june.watts) <= 860
    # Measured yields are about 1,000 kWh in a year: clouds take the rest.
    assert 1_500 <= june.kwh_a_year <= 1_900


async def test_beyond_the_polar_circle_december_has_no_sun() -> None:
    december = await ask(69.6, 18.9, 35, 180, DECEMBER)

    assert sum(december.watts) == 0
    assert december.kwh_a_year > 1_000
