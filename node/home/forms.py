"""The forms of single settings that several sections have, and what each asks for in words."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

_ONE_LINE = r"^[^\x00-\x1f\x7f]*$"
_WORD = r"^[a-z0-9]+(-[a-z0-9]+)*$"
_MACHINE_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
_CURRENCY = "^[A-Z]{3}$"
_KUBO = r"^(/(ip4|ip6|dns|dns4|dns6)/[0-9A-Za-z.:-]+/tcp/[0-9]{1,5}(/https?)?|/unix/.+)?$"

Name = Annotated[str, Meta(min_length=1, max_length=120, pattern=_ONE_LINE)]
Text = Annotated[str, Meta(max_length=2000, pattern=_ONE_LINE)]
Lot = Annotated[str, Meta(max_length=40, pattern=_ONE_LINE)]
Word = Annotated[str, Meta(pattern=_WORD, max_length=64)]
ProfileName = Annotated[str, Meta(pattern=_WORD, max_length=40)]
"""Two of them, joined, fit an order."""
MachineId = Annotated[str, Meta(pattern=_MACHINE_ID, max_length=64)]
Currency = Annotated[str, Meta(pattern=_CURRENCY)]
KuboApi = Annotated[str, Meta(pattern=_KUBO)]
Amount = Annotated[float, Meta(ge=0, le=1e9)]

IN_WORDS: Mapping[str, str] = {
    _ONE_LINE: "one line of text, without control characters",
    _WORD: "a word of small letters and digits, with single dashes inside, such as fff-printing",
    _MACHINE_ID: "a name of letters and digits, with dots, dashes and underscores inside",
    _CURRENCY: "three capital letters, such as EUR",
    _KUBO: "an address such as /ip4/127.0.0.1/tcp/5001",
}
"""What a text must be, by the pattern that it must have."""
