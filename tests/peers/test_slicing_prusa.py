"""PrusaSlicer itself, in the cage, with a vendor's bundle: programs, and what they take."""

from pathlib import Path

import pytest

from commonfab.node.slicing import bundle
from commonfab.node.slicing.gcode import GcodeFacts
from commonfab.node.slicing.profiles import profile_of
from commonfab.node.slicing.settings import Slicer
from commonfab.node.slicing.slicing import Wish, profile_for, slice_file
from commonfab.protocol.errors import UsageError
from commonfab.scheduler.estimate import estimate
from commonfab.scheduler.geometry import measure
from commonfab.storage.cid import CID
from tests.node.village import write_block
from tests.peers import need_program
from tests.scheduler.solids import box

MK3 = Slicer(
    profile="/usr/share/PrusaSlicer/profiles/PrusaResearch.ini",
    printer="Original Prusa i3 MK3S & MK3S+",
    print="0.20mm QUALITY @MK3",
)
ROOT = CID.parse("bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku")


@pytest.fixture(scope="module", autouse=True)
def _programs() -> None:
    need_program("bwrap")
    need_program("prusa-slicer")


async def sliced(model: Path, target: Path, pieces: int = 1) -> GcodeFacts:
    wish = Wish(root=ROOT, file=model.name, material="PLA", pieces=pieces)
    return await slice_file(MK3, model, profile_for(MK3, "PLA"), wish, target)


async def test_a_plate_of_two_takes_twice_the_material_and_one_takes_what_was_estimated(
    tmp_path: Path,
) -> None:
    model = write_block(tmp_path, side_mm=20) / "block.stl"
    one = await sliced(model, tmp_path / "one.gcode")
    two = await sliced(model, tmp_path / "two.gcode", pieces=2)
    solid = box(20, 20, 20)
    profile = profile_of(profile_for(MK3, "PLA").decode(), supports=False)
    guess = estimate(
        measure(solid.vertices, solid.faces),
        process="fff-printing",
        material="PLA",
        profile=profile,
    )

    assert one.layers == two.layers == 100
    assert one.slicer.startswith("PrusaSlicer")
    assert two.mass_mg == pytest.approx(2 * one.mass_mg, rel=0.03)
    assert one.seconds < two.seconds < 2 * one.seconds
    assert guess.seconds == pytest.approx(one.seconds, rel=0.2)
    assert guess.mass_mg == pytest.approx(one.mass_mg, rel=0.1)


async def test_what_does_not_fit_the_bed_is_refused_in_the_slicers_words(tmp_path: Path) -> None:
    model = write_block(tmp_path, side_mm=20) / "block.stl"

    with pytest.raises(UsageError, match=r"block.stl: prusa-slicer: .*(fit|bed|print volume)"):
        await sliced(model, tmp_path / "job.gcode", pieces=400)

    assert not (tmp_path / "job.gcode").exists()


def test_every_print_of_the_bundle_resolves_for_its_printer() -> None:
    prusa = bundle.load(Path(MK3.profile))
    prints = [name for name in prusa.names("print") if name.endswith("@MK3")]

    assert len(prints) > 5
    for name in prints:
        flat = prusa.flatten(bundle.Presets(MK3.printer, name, "Generic PLA"))
        assert "inherits" not in flat
        assert profile_of(flat, supports=False).layer_mm == pytest.approx(float(name[:4]))
