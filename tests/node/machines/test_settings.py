"""What an operator says of a machine, in whatever words, is told in those that all use."""

import msgspec
import pytest

from commonfab.node.machines.settings import Machine, Material


def a_machine(**changes: object) -> Machine:
    said = {"id": "mk4", "process": "fdm", "volume_mm": [250, 210, 220], **changes}
    said.setdefault("materials", [{"material": "pla", "grams": 900}])
    return msgspec.convert(said, Machine)


def test_process_and_material_get_the_names_that_all_use() -> None:
    machine = a_machine()

    assert machine.process == "fff-printing"
    assert [held.material for held in machine.stock()] == ["PLA"]


def test_words_that_nobody_knows_stay_what_they_are() -> None:
    machine = a_machine(process="basket-weaving", materials=[{"material": "willow", "grams": 1}])

    assert (machine.process, machine.stock()[0].material) == ("basket-weaving", "willow")


def test_where_a_material_comes_from_is_told_as_far_as_it_is_said() -> None:
    held = {"material": "PLA", "grams": 900, "lot": "A-17", "recycled_percent": 62.5}

    (told,) = a_machine(materials=[held]).stock()
    (untold,) = a_machine().stock()

    assert (told.lot, told.recycled_permille) == ("A-17", 625)
    assert (untold.lot, untold.recycled_permille) == ("", 0)


@pytest.mark.parametrize("wrong", [{"lot": "a\nb"}, {"lot": "x" * 41}, {"recycled_percent": 101}])
def test_a_lot_or_share_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        a_machine(materials=[{"material": "PLA", "grams": 1, **wrong}])


def test_a_material_of_the_same_kind_is_equal_by_any_of_its_names() -> None:
    assert Material(material="pla", grams=1) == Material(material="Polylactic acid", grams=1)
