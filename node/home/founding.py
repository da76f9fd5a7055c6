"""Makes a new node: its folder, its key, its settings.

The settings are written last, so that a folder is either a whole node or none. What a power
cut left half made is taken up by doing it again; nothing that is there is ever overwritten.
"""

import re
from pathlib import Path

from commonfab.protocol.errors import ResourceError, UsageError

from . import config, config_text, keys
from .durable_file import sync_folder, write_new
from .folder import Home

_OURS = frozenset({"key.pem", "lock", "blocks", "orders"})
_LEFTOVER = re.compile(r"\.(key\.pem|commonfab\.toml)\.[0-9a-f]{8}")


def found(home: Home, settings: config.Settings) -> keys.NodeKey:
    """Make a node that lives in `home`.

    Raises `UsageError` if one lives there or other things do, or if a setting is out of bounds.
    """
    if home.is_made:
        raise UsageError(f"{home}: a node lives here already, and it is not overwritten")
    text = _text(settings)
    config.parse(text, "new settings", {})
    _make_folder(home)
    with home.lock():
        for entry in home.path.iterdir():
            if _LEFTOVER.fullmatch(entry.name):
                entry.unlink()
        key = keys.load(home.key) if home.key.exists() else keys.create(home.key)
        write_new(home.config, text.encode(), mode=0o600)
    return key


def _text(settings: config.Settings) -> str:
    text = config_text.compose(settings)
    for machine in settings.machines:
        text = config_text.add_machine(text, machine)
    return text


def _make_folder(home: Home) -> None:
    try:
        home.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_other_things(home.path)
        home.path.chmod(0o700)
        home.blocks.mkdir(mode=0o700, exist_ok=True)
        home.orders.mkdir(mode=0o700, exist_ok=True)
        sync_folder(home.path.parent)
    except (FileExistsError, NotADirectoryError) as error:
        raise UsageError(f"{home}: not a folder; choose another with --home") from error
    except OSError as error:
        raise ResourceError(f"{home}: cannot be made: {error.strerror}") from error


def _refuse_other_things(folder: Path) -> None:
    for entry in sorted(folder.iterdir()):
        if entry.name not in _OURS and not _LEFTOVER.fullmatch(entry.name):
            raise UsageError(
                f"{folder}: there are other things in it ({entry.name}); a node wants a folder"
                " of its own: choose another with --home"
            )
