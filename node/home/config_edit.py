"""Changes machines and the network in `commonfab.toml`, and leaves all else in it as it was.

The whole file is replaced at once, so that a power cut leaves the old one or the new one.
"""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager

from commonfab.protocol.errors import UsageError
from commonfab.protocol.limits import MACHINES_PER_WORKSHOP_MAX

from ..machines.settings import Machine
from . import config, config_text, durable_file
from .config import Settings
from .folder import Home


def add_machine(home: Home, machine: Machine) -> None:
    """Write one more machine into the settings; `UsageError` if its id is taken."""
    with _editing(home):
        text, settings = _read(home)
        if any(other.id == machine.id for other in settings.machines):
            raise UsageError(
                f"{machine.id}: there is a machine of this name already; choose another, or"
                f" remove that one first: commonfab machine remove {machine.id}"
            )
        if len(settings.machines) == MACHINES_PER_WORKSHOP_MAX:
            raise UsageError(f"{home.config}: more than {MACHINES_PER_WORKSHOP_MAX} machines")
        _write(home, config_text.add_machine(text, machine), (*settings.machines, machine))


def remove_machine(home: Home, machine_id: str) -> Machine:
    """Take a machine out of the settings and return it; `UsageError` if there is none."""
    with _editing(home):
        text, settings = _read(home)
        ids = [machine.id for machine in settings.machines]
        if machine_id not in ids:
            suggestion = config_text.nearest(machine_id, ids) if ids else "; there are none"
            raise UsageError(f"{machine_id}: no such machine{suggestion}")
        index = ids.index(machine_id)
        rest = settings.machines[:index] + settings.machines[index + 1 :]
        _write(home, config_text.remove_machine(text, index), rest)
        return settings.machines[index]


def set_network(home: Home, setting: str, value: str | tuple[str, ...]) -> Settings:
    """Write one setting of `[network]` and return them all; `UsageError` if it is none."""
    with _editing(home):
        text, _ = _read(home)
        changed = config_text.set_value(text, "network", setting, value)
        settings = config.parse(changed, str(home.config), {})
        durable_file.replace(home.config, changed.encode())
        return settings


@contextmanager
def _editing(home: Home) -> Generator[None]:
    # Two edits at once would lose one of them: the second reads what the first has written.
    home.check()
    folder = os.open(home.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _read(home: Home) -> tuple[str, Settings]:
    # Without the environment: what it says is for one run and not for the file.
    settings = config.load(home.config, {})
    return home.config.read_text(encoding="utf-8"), settings


def _write(home: Home, text: str, machines: tuple[Machine, ...]) -> None:
    assert config.parse(text, str(home.config), {}).machines == machines, "edited amiss"
    durable_file.replace(home.config, text.encode())
