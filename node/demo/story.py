"""The main job, from end to end, in a town of five workshops on this computer.

Shown as it happens, and checked: `run` returns whether all that was promised came true.
"""

import filecmp
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import trio
from rich.console import Console
from rich.table import Table
from rich.text import Text

from commonfab.scheduler.why.explanation import Explanation, Verdict
from commonfab.scheduler.why.grounds import Grounds, check

from ..answers.node import (
    AttemptLine,
    DesignLine,
    Explained,
    FoundDesigns,
    Got,
    OrderLine,
    Published,
    Status,
)
from ..meshes import measuring
from .town import TIME_LAPSE, Resident, Town, wait_for

DESIGN = Path(__file__).parent / "designs" / "wall-hook"
QUANTITY = 12
_TO = (44.9334, 4.8924)
_PUBLISHER = "Grenoble"
_BUYER = "Valence"
_COLUMNS = 44
_MEET_S = 20.0
_ORDER_S = 60.0


@dataclass(slots=True)
class Checks:
    """What was promised, and whether it came true."""

    done: list[tuple[str, bool]] = field(default_factory=list[tuple[str, bool]])

    def add(self, promise: str, *, is_true: bool) -> None:
        self.done.append((promise, is_true))

    def all_true(self) -> bool:
        return bool(self.done) and all(is_true for _, is_true in self.done)


def run(*, keep: bool) -> bool:
    """Tell the story. `keep` leaves the town running and says how to look around."""
    folder = Path(tempfile.mkdtemp(prefix="commonfab-town-"))
    town = Town(folder)
    story = Story(town, Console())
    try:
        story.tell()
    except BaseException:
        town.stop()
        raise
    is_good = story.checks.all_true()
    if keep:
        story.say_how_to_look_around()
    else:
        town.stop()
        shutil.rmtree(folder)
    return is_good


class Story:
    """One run, scene by scene."""

    def __init__(self, town: Town, console: Console) -> None:
        self.checks = Checks()
        self._town = town
        self._console = console
        self._started = time.monotonic()
        self._told: set[str] = set()
        self._victim: Resident | None = None
        self._order_id = ""
        self._pieces: dict[int, int] = {}
        """Of each job of the order."""

    def tell(self) -> None:
        self._open_town()
        self._meet()
        design = self._publish()
        order = self._order(design)
        order = self._make(order)
        self._look_back(order)
        self._bring_back(order)
        self._sum_up()

    def _named(self, name: str) -> Resident:
        return next(resident for resident in self._town.residents if resident.name == name)

    def _scene(self, title: str) -> None:
        self._console.print()
        self._console.rule(f"[bold]{title}", align="left")

    def _line(self, text: str) -> None:
        seconds = time.monotonic() - self._started
        self._console.print(f"[dim]{seconds:5.1f} s[/dim]  {text}", highlight=False, soft_wrap=True)

    def _open_town(self) -> None:
        self._scene("A town of five workshops, each a node of its own")
        self._town.found()
        table = Table(box=None, header_style="dim")
        for column in ("workshop", "machine", "makes", "largest part", "material"):
            table.add_column(column)
        for resident in self._town.residents:
            status = resident.client.ask("status", {}, Status)
            for number, machine in enumerate(status.machines):
                volume = "x".join(f"{side // 1000}" for side in machine.volume_um)
                table.add_row(
                    "" if number else resident.name,
                    machine.id,
                    machine.process,
                    f"{volume} mm",
                    ", ".join(machine.materials),
                )
        self._console.print(table)
        self._line(f"five processes run; machine time passes {TIME_LAPSE:g} times as fast")

    def _meet(self) -> None:
        self._scene("They find one another")

        def all_met() -> bool | None:
            known = [r.client.ask("status", {}, Status).workshops for r in self._town.residents]
            return True if min(known) == len(self._town.residents) else None

        met = wait_for(all_met, _MEET_S) is not None
        for resident in self._town.residents:
            status = resident.client.ask("status", {}, Status)
            self._line(f"{resident.name}: knows {status.workshops} workshops, {status.peers} links")
        self.checks.add("every workshop knows all five", is_true=met)

    def _publish(self) -> DesignLine:
        self._scene(f"{_PUBLISHER} publishes a design")
        publisher = self._named(_PUBLISHER).client
        published = publisher.ask("publish", {"path": str(DESIGN)}, Published)
        design = published.design
        part = design.parts[0]
        size = " x ".join(f"{side / 1000:g}" for side in part.bbox_um)
        self._show_picture()
        self._line(f"[bold]{design.name}[/bold] {design.version}, {design.licence}")
        self._line(f"{design.function}")
        self._line(
            f"{part.name}: {size} mm, {part.volume_mm3 / 1000:.1f} cm3, "
            f"{'watertight' if part.watertight else 'not watertight'}; in {part.material} about "
            f"{part.mass_mg / 1000:.0f} g and {part.seconds // 60} min"
        )
        self._line(f"{published.files} files, {design.size_bytes} bytes: {design.root}")

        def all_know() -> bool | None:
            asked = [r.client.ask("designs", {}, FoundDesigns) for r in self._town.residents]
            known = [[d.id for d in found.designs] for found in asked]
            return True if all(design.id in ids for ids in known) else None

        known = wait_for(all_know, _MEET_S) is not None
        self._line("all five know of it" if known else "not all have heard of it")
        self.checks.add("a design published by one is known to all", is_true=known)
        return design

    def _show_picture(self) -> None:
        """Draw the part in the terminal."""
        in_colour = self._console.is_terminal
        draw = partial(measuring.write_mesh, DESIGN / "wall-hook.stl", _COLUMNS, colour=in_colour)
        self._console.print(Text.from_ansi(trio.run(draw)))

    def _order(self, design: DesignLine) -> OrderLine:
        self._scene(f"{_BUYER} orders {QUANTITY} pieces")
        buyer = self._named(_BUYER).client
        lat, lon = _TO
        wanted = {"design": design.id, "quantity": QUANTITY, "lat": lat, "lon": lon}
        order = buyer.ask("order", wanted, OrderLine)
        explained = buyer.ask("explain", {"order": order.id}, Explained)
        sizes = ", ".join(str(job.pieces) for job in explained.jobs)
        self._line(f"order {order.id[:8]}: {len(explained.jobs)} jobs of {sizes} pieces")
        self._order_id = order.id[:8]
        self._pieces = {job.job: job.pieces for job in explained.jobs}
        self._explain(explained.jobs[0])
        told = explained.jobs[0]
        everything = len(told.best) + len(told.others) == told.machines
        self.checks.add(
            "for each machine it is said why, or why not",
            is_true=everything and all(v.note or v.obstacles or v.terms for v in told.others),
        )
        findings = check(buyer.ask("explain.grounds", {"order": order.id}, Grounds))
        self.checks.add(
            "anybody gets the same words and numbers from what the workshops signed",
            is_true=not any(found.fault for found in findings),
        )
        return order

    def _explain(self, job: Explanation) -> None:
        self._line(
            f"for {job.pieces} x {job.part}: {job.fitting} of {job.machines} machines can make it"
        )
        table = Table(box=None, header_style="dim", padding=(0, 1))
        for column, justify in (
            ("", "right"), ("machine", "left"), ("cost", "right"), ("km", "right"), ("why", "left"),
        ):  # fmt: skip
            table.add_column(column, justify="right" if justify == "right" else "left")
        for verdict in (*job.best, *job.others):
            table.add_row(*_verdict_row(verdict))
        self._console.print(table)

    def _make(self, order: OrderLine) -> OrderLine:
        self._scene("Offers, leases, and machines at work")
        deadline = time.monotonic() + _ORDER_S
        buyer = self._named(_BUYER).client
        while time.monotonic() < deadline:
            (order,) = buyer.ask("orders", {"order": order.id}, list[OrderLine])
            self._tell_progress(order)
            if order.state == "done":
                break
            if self._victim is None:
                self._kill_one(order)
            time.sleep(0.2)
        self.checks.add(
            f"all {QUANTITY} pieces were made, {order.pieces_surplus} over",
            is_true=order.state == "done"
            and order.pieces_made == QUANTITY
            and order.pieces_surplus == 0,
        )
        return order

    def _tell_progress(self, order: OrderLine) -> None:
        for job in order.jobs:
            for attempt in job.attempts:
                where = f"{attempt.machine} ({attempt.owner_name})"
                key = f"{job.index}/{attempt.epoch}"
                name = f"job {job.index + 1}"
                again = f", attempt {attempt.epoch}" if attempt.epoch > 1 else ""
                self._once(
                    f"{key}/lease",
                    f"{name}{again}: {attempt.pieces} pieces leased on [bold]{where}[/bold] for "
                    f"{_money(attempt.price_minor, attempt.currency)}",
                )
                if job.state == "granted" and attempt.outcome == "open":
                    self._once(f"{key}/grant", f"{name}: {where} has the grant, and starts")
                if attempt.outcome == "made":
                    self._once(
                        f"{key}/made",
                        f"{name}: [green]{attempt.made} made[/green] on {where}, receipt signed",
                    )
                elif attempt.outcome != "open":
                    self._once(
                        f"{key}/{attempt.outcome}",
                        f"{name}: [yellow]{attempt.outcome}[/yellow] on {where}: {attempt.reason}",
                    )

    def _once(self, key: str, text: str) -> None:
        if key not in self._told:
            self._told.add(key)
            self._line(text)

    def _kill_one(self, order: OrderLine) -> None:
        """End the process of a workshop that is in the middle of a job, not the buyer's own."""
        for job in order.jobs:
            running = [a for a in job.attempts if a.outcome == "open"]
            if job.state != "granted" or job.permille < 150 or not running:
                continue
            name = running[0].owner_name
            if name in (_BUYER, ""):
                continue
            self._victim = self._named(name)
            self._victim.kill()
            self._line(
                f"[bold red]{name} is killed (SIGKILL)[/bold red], "
                f"{job.permille / 10:.0f} % through job {job.index + 1}"
            )
            return

    def _look_back(self, order: OrderLine) -> None:
        self._scene("Who made what")
        table = Table(box=None, header_style="dim", padding=(0, 1))
        for column in ("workshop", "machine", "made", "price", "km", "time", "energy", "CO2e"):
            table.add_column(
                column, justify="left" if column in ("workshop", "machine") else "right"
            )
        attempts = [a for job in order.jobs for a in job.attempts]
        for attempt in sorted(attempts, key=lambda a: (a.owner_name, a.machine, a.start)):
            table.add_row(*_attempt_row(attempt))
        made = [a for a in attempts if a.outcome == "made"]
        table.add_section()
        table.add_row(
            "[bold]together", "", f"[bold]{sum(a.made for a in made)}",
            _money(sum(a.price_minor for a in made), "EUR"), "",
            _hours(sum(a.machine_seconds for a in made)),
            f"{sum(a.energy_mwh for a in made) / 1e6:.2f} kWh",
            f"{sum(a.co2e_mg for a in made) / 1e3:.0f} g",
        )  # fmt: skip
        self._console.print(table)
        victim = self._victim.name if self._victim else ""
        lost = [a for a in attempts if a.owner_name == victim and a.outcome != "made"]
        self.checks.add("one workshop was killed in the middle of a job", is_true=bool(lost))
        again = [
            job
            for job in order.jobs
            if any(a in lost for a in job.attempts)
            and any(a.outcome == "made" and a.owner_name != victim for a in job.attempts)
        ]
        self.checks.add(
            "its pieces were placed again elsewhere, with a higher epoch",
            is_true=bool(again)
            and all(max(job.attempts, key=lambda a: a.epoch).outcome == "made" for job in again),
        )
        self.checks.add(
            "each job's pieces were made once, with a signed receipt for each",
            is_true=all(
                sum(a.made for a in job.attempts) == self._pieces[job.index] for job in order.jobs
            ),
        )
        self._check_files()

    def _check_files(self) -> None:
        """Write the design out at the buyer's, and compare it with what was published."""
        out = self._town.folder / "got"
        design = DESIGN.name
        self._named(_BUYER).client.ask("get", {"design": "Wall hook", "out": str(out)}, Got)
        files = [path.relative_to(DESIGN) for path in DESIGN.rglob("*") if path.is_file()]
        same, differ, missing = filecmp.cmpfiles(DESIGN, out, map(str, files), shallow=False)
        self._line(f"{_BUYER} has all {len(same)} files of {design}, byte for byte")
        self.checks.add(
            "the design's files are the same at the buyer's",
            is_true=len(same) == len(files) and not differ and not missing,
        )

    def _bring_back(self, order: OrderLine) -> None:
        if self._victim is None:
            return
        name = self._victim.name
        self._scene(f"{name} comes back")
        self._victim.start()
        self._victim.wait_until_ready()
        buyer = self._named(_BUYER).client

        def reported() -> list[AttemptLine] | None:
            (line,) = buyer.ask("orders", {"order": order.id}, list[OrderLine])
            mine = [a for job in line.jobs for a in job.attempts if a.owner_name == name]
            return None if any(a.outcome == "silent" for a in mine) else mine

        attempts = wait_for(reported, _MEET_S)
        for attempt in attempts or ():
            self._line(
                f"{attempt.machine}: {attempt.outcome}, {attempt.made} made. {attempt.reason}"
            )
        self.checks.add(
            "it has reported what became of its jobs: nothing is unaccounted for",
            is_true=attempts is not None,
        )

    def _sum_up(self) -> None:
        self._scene("What was promised")
        for promise, is_true in self.checks.done:
            mark = "[green]yes[/green]" if is_true else "[bold red]NO[/bold red]"
            self._console.print(f"  {mark:>3}  {promise}", highlight=False)
        seconds = time.monotonic() - self._started
        self._console.print(f"\n[dim]{seconds:.0f} s in all[/dim]")

    def say_how_to_look_around(self) -> None:
        """Print what a person can type now."""
        print_line = self._console.print
        print_line("\nThe town goes on. Look around, for example:")
        for resident in self._town.residents[:2]:
            print_line(f"  commonfab status --home {resident.home}", soft_wrap=True)
        home = self._named(_BUYER).home
        for command in ("orders", f"explain {self._order_id}", "peers", "designs"):
            print_line(f"  commonfab {command} --home {home}", soft_wrap=True)
        pids = " ".join(str(r.process.pid) for r in self._town.residents if r.process)
        print_line(f"Stop it with:\n  kill {pids}", soft_wrap=True)


def _verdict_row(verdict: Verdict) -> tuple[str, ...]:
    km = "" if verdict.distance_m is None else f"{verdict.distance_m / 1000:.0f}"
    if verdict.rank:
        cost = f"{verdict.milliminor / 100_000:.2f}"
        terms = [t for t in verdict.terms if round(t.milliminor / 1000)]
        why = ", ".join(f"{t.name} {t.milliminor / 100_000:.2f}" for t in terms)
        return str(verdict.rank), verdict.machine, cost, km, why
    return "-", verdict.machine, "", km, "; ".join(o.sentence for o in verdict.obstacles)


def _attempt_row(attempt: AttemptLine) -> tuple[str, ...]:
    is_made = attempt.outcome == "made"
    style = "" if is_made else "[dim]"
    made = str(attempt.made) if is_made else attempt.outcome
    return (
        style + attempt.owner_name,
        style + attempt.machine,
        style + made,
        style + (_money(attempt.price_minor, attempt.currency) if is_made else "-"),
        style + f"{attempt.km:.0f}",
        style + (_hours(attempt.machine_seconds) if is_made else "-"),
        style + (f"{attempt.energy_mwh / 1e6:.2f} kWh" if is_made else "-"),
        style + (f"{attempt.co2e_mg / 1e3:.0f} g" if is_made else "-"),
    )


def _money(minor: int, currency: str) -> str:
    return f"{minor / 100:.2f} {currency}"


def _hours(seconds: int) -> str:
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"
