"""What the laboratory shows, scene by scene, and what has to be so in each."""

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median

from commonfab.protocol.errors import ResourceError
from tests.node.village import write_block
from tests.simulation.cuts import Cut

from .air import Air, Weather
from .sybils import address_of
from .town import LabFailed, Resident, Town, start_inside, wait_for

FAIR = Weather()
ROUGH = Weather(delay_ms=(5.0, 80.0), loss=0.05, copies=0.01, bytes_per_s=1_000_000.0)
LEARN_S = 30.0
"""Within it all who can be reached know a new design."""
HEAL_S = 60.0
"""Within it, after a cut, all know what any knew."""
MAKE_S = 180.0
CUT_S = 8.0
LONG_CUT_S = 60.0
"""Long enough that connections end for silence."""
FLAPS_MS = 1500
SYBILS_A_PROCESS = 20
COME_S = 240.0
"""Within it as many links of Sybils are there as there are Sybils."""
ATTACK_S = 20.0
"""How long they are then let do what they do before anything is looked at."""
GROWTH_MB_MAX = 64.0


@dataclass(slots=True)
class Row:
    what: str
    is_so: bool
    figures: str


@dataclass(slots=True)
class Lab:
    """One town, and the table of what it showed."""

    seed: int
    honest: int
    sybils: int
    tell: Callable[[str], None]
    rows: list[Row] = field(default_factory=list[Row])

    def run(self) -> bool:
        """Tell whether all was as it has to be."""
        random = Random(self.seed)
        with tempfile.TemporaryDirectory(prefix="lab-") as name, Air(self.seed, FAIR) as air:
            town = Town(Path(name), air)
            crowd: list[subprocess.Popen[bytes]] = []
            try:
                town.found(self.honest, random)
                town.start()
                self._show(town, crowd)
            except (LabFailed, ResourceError) as failure:
                self._row("the story came to its end", str(failure), is_so=False)
            finally:
                end(crowd)
                town.stop()
                self._say_what_sybils_did(town.folder)
                self._row("packets", str(dict(air.counts)), is_so=air.counts["carried"] > 0)
        return all(row.is_so for row in self.rows)

    def _show(self, town: Town, crowd: list["subprocess.Popen[bytes]"]) -> None:
        self._meet(town)
        self._learn(town, "a new design, in fair weather")
        if self.sybils:
            self._let_in_sybils(town, crowd)
        else:
            self._cut(town, "halves", LONG_CUT_S)
            for shape in ("islands", "one-way", "flapping"):
                self._cut(town, shape, CUT_S)
        town.air.weather = ROUGH
        self._learn(town, "a new design, with 5 % loss")
        self._order(town)
        if self.sybils:
            self._look_at_links(town)

    def _row(self, what: str, figures: str, *, is_so: bool) -> None:
        self.rows.append(Row(what, is_so, figures))
        self.tell(f"{'ok ' if is_so else 'NOT'} {what}: {figures}")

    # Scenes.

    def _meet(self, town: Town) -> None:
        took = wait_for(
            "all are linked with those they were told of",
            lambda: all(
                {town.residents[friend].id for friend in each.friends} <= each.linked()
                for each in town.residents
            ),
            LEARN_S,
        )
        memory = [each.memory_mb() for each in town.residents]
        self._row(
            f"{len(town.residents)} nodes are linked",
            f"{took:.1f} s, {median(memory):.0f} MB each (median)",
            is_so=True,
        )

    def _learn(self, town: Town, what: str, at: int = 0) -> None:
        others = [each for each in town.residents if each.index != at]
        design = publish(town, town.residents[at])
        took = town.seconds_until_known(design, others, LEARN_S)
        self._row(what, spread(took), is_so=True)

    def _cut(self, town: Town, shape: str, seconds: float) -> None:
        """Cut the town up, let each part learn of something, heal it, and see who knows what."""
        count = len(town.residents)
        parts = 4 if shape == "islands" else 2
        part = tuple(index * parts // count for index in range(count))
        flaps_ms = FLAPS_MS if shape == "flapping" else 0
        town.air.cut = Cut("one-way" if shape == "one-way" else "halves", part, flaps_ms)
        firsts = [part.index(number) for number in range(parts)]
        designs = {first: publish(town, town.residents[first]) for first in firsts}
        time.sleep(seconds)
        leaked = [
            each.index
            for each in town.residents
            for first, design in designs.items()
            if part[each.index] != part[first] and each.knows(design)
        ]
        town.air.cut = None
        took = max(
            town.seconds_until_known(design, town.residents, HEAL_S)[-1]
            for design in designs.values()
        )
        self._row(
            f"after {seconds:.0f} s of {shape}, all agree",
            f"{took:.1f} s, {len(leaked)} knew before",
            is_so=shape in ("one-way", "flapping") or not leaked,
        )

    def _order(self, town: Town) -> None:
        """Let one node order what another published, and wait until it is made."""
        design = publish(town, town.residents[1])
        buyer = town.residents[-1]
        wait_for("the buyer knows the design", lambda: buyer.knows(design), LEARN_S)
        placed = buyer.ask("order", design=design, quantity=3, lat=45.7, lon=4.8)

        def is_made() -> bool:
            return bool(buyer.ask("orders", order=placed["id"])[0]["state"] == "done")

        took = wait_for("the order is made", is_made, MAKE_S)
        line = buyer.ask("orders", order=placed["id"])[0]
        self._row(
            "an order is placed and made, with 5 % loss",
            f"{took:.1f} s, {line['pieces_made']} of {line['pieces_wanted']} pieces",
            is_so=line["pieces_made"] >= line["pieces_wanted"],
        )

    # Sybils.

    def _let_in_sybils(self, town: Town, crowd: list["subprocess.Popen[bytes]"]) -> None:
        before = [each.memory_mb() for each in town.residents]
        targets = town.folder / "targets.json"
        targets.write_text(json.dumps([each.address for each in town.residents]))
        for first in range(0, self.sybils, SYBILS_A_PROCESS):
            count = min(SYBILS_A_PROCESS, self.sybils - first)
            addresses = [address_of(number) for number in range(first, first + count)]
            program = [
                sys.executable, "-m", "tests.lab.sybils",
                str(targets), str(self.seed), str(first), str(count),
            ]  # fmt: skip
            party = len(town.residents) + first // SYBILS_A_PROCESS
            log = town.folder / f"sybils{first}.log"
            crowd.append(start_inside(town.air, party, addresses, program, log))
        wait_for(
            "Sybils are linked",
            lambda: sum(map(len, self._strangers(town))) >= self.sybils,
            COME_S,
        )
        time.sleep(ATTACK_S)
        for process in crowd:
            if process.poll() is not None:
                raise LabFailed("Sybils ended by themselves, and prove nothing")
        self._look_at_links(town)
        self._learn(town, f"a new design, among {self.sybils} Sybils")
        grown = max(
            each.memory_mb() - was for each, was in zip(town.residents, before, strict=True)
        )
        self._row(
            f"memory under {self.sybils} Sybils",
            f"grew by {grown:.0f} MB at most",
            is_so=grown < GROWTH_MB_MAX,
        )

    def _look_at_links(self, town: Town) -> None:
        lost = sum(
            len({town.residents[friend].id for friend in each.friends} - each.linked())
            for each in town.residents
        )
        strangers = list(map(len, self._strangers(town)))
        self._row(
            "Sybils push no honest peer out",
            f"{lost} links lost; {sum(strangers)} links of Sybils, {max(strangers)} at one node",
            is_so=lost == 0,
        )

    def _strangers(self, town: Town) -> list[set[str]]:
        """Return of each node who is linked with it and is none of the honest."""
        honest = {each.id for each in town.residents}
        return [each.linked() - honest for each in town.residents]

    def _say_what_sybils_did(self, folder: Path) -> None:
        done = Counter[str]()
        for each in folder.glob("targets.*.done"):
            done.update(json.loads(each.read_text()))
        if self.sybils:
            said = ", ".join(f"{count:,} {what}" for what, count in sorted(done.items()))
            self._row("what the Sybils did", said, is_so=done["links made"] > 0)


def end(crowd: Sequence["subprocess.Popen[bytes]"]) -> None:
    for process in crowd:
        process.send_signal(signal.SIGTERM)
    for process in crowd:
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


_published = 0


def publish(town: Town, by: Resident) -> str:
    """Let a node publish a design that is like no other; return its id."""
    global _published
    _published += 1
    folder = write_block(town.folder / f"design{_published}", side_mm=20.0 + _published / 10)
    design: str = by.ask("publish", path=str(folder))["design"]["id"]
    return design


def spread(took: Sequence[float]) -> str:
    return f"{median(took):.2f} s (median), {took[-1]:.2f} s (last of {len(took)})"
