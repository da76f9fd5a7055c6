"""`commonfab init`, `run`, `status`, `doctor`, `demo`: a node as a whole."""

import os
import shlex
import sys
from typing import TYPE_CHECKING

import click

from .command import Called, command
from .options import Place, PlaceType

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ..answers.node import MachineNow, Status
    from ..home.doctor import Finding


@command("init", example='commonfab init --name "Fab Lab Ost" --at 48.137,11.575')
@click.option("--name", help="What others call this workshop.")
@click.option("--at", type=PlaceType(), help="Where it is. Others learn it only roughly.")
def init(called: Called, name: str | None, at: Place | None) -> None:
    """Make a new node: its folder, its key, its settings."""
    from commonfab.protocol.peer_id import peer_text

    from ..home.config import Settings, Workshop
    from ..home.folder import find
    from ..home.founding import found

    if (name is None or at is None) and not sys.stdin.isatty():
        raise click.UsageError("--name and --at are needed, for nobody is here to be asked.")
    name = name or click.prompt("Name of the workshop", err=True)
    at = at or click.prompt("Place (degrees north,east)", type=PlaceType(), err=True)
    settings = Settings(workshop=Workshop(name=name, lat=at.lat, lon=at.lon))
    key = found(called.home, settings)
    node = peer_text(key.node)
    if called.as_json:
        called.print_json({"node": node, "name": name, "home": str(called.home)})
        return
    accuracy_km = settings.workshop.place_for_others().accuracy_m / 1000
    click.echo(f"{name}\nnode  {node}\nhome  {called.home}")
    is_usual = called.home.path == find(None, os.environ).path
    option = "" if is_usual else f" --home {shlex.quote(str(called.home))}"
    click.echo(_WELCOME.format(home=called.home, km=accuracy_km, option=option), err=True)


_WELCOME = """
Others learn its place within {km:.0f} km, and only this computer can reach it:
both are settings, place_precision and listen, in {home}/commonfab.toml
Keep a copy of {home}/key.pem in a safe place. Who has it is this node.

Next:  commonfab machine add --help
       commonfab run{option}"""


@command("run", example="commonfab run --log-level warning")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="What is worth a line.",
)
@click.option("--log-json", is_flag=True, help="Log lines of JSON.")
def run(called: Called, log_level: str, log_json: bool) -> None:
    """Run the node until it is told to stop (Ctrl-C)."""
    import resource

    from .. import daemon, log

    # A crash must not write the key into a core dump.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    log.set_up(level=log_level, as_json=log_json or called.as_json)
    daemon.main(called.home)


@command("status", example="commonfab status --json")
def status(called: Called) -> None:
    """Show what this node is doing."""
    from ..answers.node import Status

    answer = called.ask("status", Status)
    if answer is not None:
        _print_status(answer)


def _print_status(status: "Status") -> None:
    from commonfab.scheduler.reasons import duration

    from .table import write
    from .words import count, size, text

    up = duration(max(0, status.now - status.started))
    lines = [
        f"{text(status.name)} · up for {up} · version {status.version}",
        f"node     {status.node}",
        f"home     {text(status.home)}",
        *(f"reach    {text(address)}" for address in status.addresses),
        *_reached(status),
        f"peers    {status.peers} connected, {count(status.workshops, 'workshop')} known",
        f"designs  {status.designs} known, {size(status.blocks_bytes)} of files here",
        f"orders   {status.open_orders} open",
        *([f"power    {text(status.power)}"] if status.power else []),
        *_traffic(status),
    ]
    write("\n".join(lines))
    write("", machines_table(status.machines, status.now))
    for warning in status.warnings:
        click.secho(f"warning: {text(warning)}", fg="yellow", err=True)


def _traffic(status: "Status") -> list[str]:
    from .words import size

    moved = [line for line in status.traffic if line.bytes_in or line.bytes_out]
    lines = [f"{line.kind} {size(line.bytes_in)} in, {size(line.bytes_out)} out" for line in moved]
    said = [f"traffic  last hour: {'; '.join(lines)}"] if lines else []
    if status.budget_bytes:
        said.append(
            f"budget   {size(status.today_bytes)} of {size(status.budget_bytes)} used today"
        )
    return said


def _reached(status: "Status") -> list[str]:
    from .words import count, size

    lines: list[str] = []
    if status.reach == "hidden":
        through = (
            f"through {count(status.relays, 'relay')}" if status.relays else "and no relay helps"
        )
        lines.append(f"reach    behind a router, {through}")
    if status.helped or status.carried_bytes:
        helped = count(status.helped, "peer")
        lines.append(f"relay    for {helped}, {size(status.carried_bytes)} carried")
    return lines


def machines_table(machines: "list[MachineNow]", now: int) -> "RenderableType":
    """Return a table of this node's machines, or a line that says how to add one."""
    from .table import Column, table, width
    from .words import box, moment, text

    if not machines:
        return "No machines yet; add one with: commonfab machine add"
    columns = [
        Column(title="machine"),
        Column(title="state"),
        Column(title="process", drop=2),
        Column(title="volume (mm)", drop=4),
        Column(title="materials", wraps=True, drop=3),
        Column(title="makes", wraps=True, drop=1),
        Column(title="free", is_right=True, drop=5),
        Column(title="queue", is_right=True, drop=6),
    ]
    rows = [
        [
            text(machine.id),
            machine_state(machine),
            text(machine.process),
            box(machine.volume_um),
            text(", ".join(machine.materials)),
            text(machine.job),
            moment(machine.free_at, now) if machine.free_at > now else "now",
            str(machine.queue or ""),
        ]
        for machine in machines
    ]
    return table(columns, rows, width())


def machine_state(machine: "MachineNow") -> str:
    if machine.state in ("preparing", "running", "paused"):
        return f"{machine.state} {machine.permille // 10} %"
    return machine.state if machine.takes_jobs else f"{machine.state}, takes no jobs"


@command("doctor", example="commonfab doctor")
def doctor(called: Called) -> None:
    """Check this node's health, and say what to do."""
    from ..home.doctor import examine

    findings = examine(called.home, os.environ)
    if called.as_json:
        called.print_json(findings)
    else:
        _print_findings(findings)
    if any(finding.verdict == "fail" for finding in findings):
        raise click.exceptions.Exit(1)


_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def _print_findings(findings: "list[Finding]") -> None:
    for finding in findings:
        mark = click.style(f"{finding.verdict:4}", fg=_COLOURS[finding.verdict])
        click.echo(f"{mark}  {finding.about:8}  {finding.says}")
        if finding.way_out:
            click.echo(f"                -> {finding.way_out}")


@click.command("demo", epilog="Example: commonfab demo --keep")
@click.option("--keep", is_flag=True, help="Leave the town running, and say how to look around.")
def demo(keep: bool) -> None:
    """Show a town of five workshops on this computer."""
    from ..demo.story import run as run_story

    if not run_story(keep=keep):
        raise click.exceptions.Exit(1)
