"""What is to be said of a mesh file before it is made, for those who look through a folder."""

from dataclasses import dataclass
from pathlib import Path

from commonfab.scheduler.form import findings as of_form

from . import measuring


@dataclass(frozen=True, slots=True)
class Finding:
    kind: str
    what: str
    remedy: str
    place: str
    """On the part, in millimetres; empty: it is all of it."""
    level: of_form.Level


async def findings(path: Path, *, nozzle_um: int = of_form.NOZZLE_UM) -> list[Finding]:
    """Return what there is to say of a mesh. Raises `MeshRefused` for one that is refused."""
    facts, form = await measuring.study_mesh(path)
    return [in_words(each) for each in of_form.find(facts, form, nozzle_um=nozzle_um)]


def in_words(finding: of_form.Finding) -> Finding:
    place = ""
    if finding.place_um is not None:
        place = ", ".join(f"{each / 1000:.1f}" for each in finding.place_um)
    return Finding(finding.kind, finding.what, finding.remedy, place, finding.level)
