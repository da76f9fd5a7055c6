"""A file that `commonfab explain --check` is given, where it is none of `--out`."""

from pathlib import Path

import msgspec
import pytest

from commonfab.node.cli.explain import check
from commonfab.protocol.errors import Malformed
from commonfab.scheduler.weights import Weights
from commonfab.scheduler.why.explanation import Explanation
from commonfab.scheduler.why.grounds import Grounds

NOTHING = Explanation(
    job=0,
    at=0,
    part="hook",
    pieces=1,
    weights=Weights(),
    machines=0,
    fitting=0,
    best=(),
    others=(),
    left_out=0,
    obstacles={},
)
ONE = msgspec.json.encode(Grounds(jobs=(NOTHING,), records=()))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not what commonfab explain --out writes: .*truncated"),
        (b"[]", "Expected `object`, got `array`"),
        (ONE[:-9], "not what commonfab explain --out writes: .*truncated"),
        (msgspec.json.encode(Grounds(jobs=(), records=())), "holds no explanation; write one"),
        (ONE.replace(b'"trust_floor":0.0', b'"trust_floor":2'), "trust_floor: 2 is above 1"),
        (ONE.replace(b'"trust_floor":0.0', b'"trust_floor":NaN'), "JSON is malformed"),
        (ONE.replace(b'"trust_floor":0.0', b'"trust_floor":1e999'), "out of range"),
        (ONE.replace(b'"at":0', b'"at":99999999999999999999'), "Expected `int`"),
    ],
)
def test_a_file_that_is_no_explanation_is_refused_by_its_name_with_the_reason(
    tmp_path: Path, data: bytes, why: str
) -> None:
    file = tmp_path / "why.json"
    file.write_bytes(data)

    with pytest.raises(Malformed, match=why) as refused:
        check(file)

    assert str(refused.value).startswith(str(file))
