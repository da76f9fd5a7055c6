"""Workshops for others: what is written is what this node reads again."""

import json
from pathlib import Path

from commonfab.node.exporting.okw import CAPACITY_KEY, facility
from commonfab.node.importing.okw import read
from commonfab.node.manifests.findings import Tree
from commonfab.protocol.records import Record, Workshop
from tests.builders import a_capacity, a_machine, a_workshop
from tests.protocol.signers import ALICE, BOB


def told(capacity: Record | None) -> Tree:
    workshop = a_workshop().body
    assert isinstance(workshop, Workshop)
    return facility(BOB.node, workshop, capacity)


def test_a_workshop_is_written_with_its_machines_and_read_again(tmp_path: Path) -> None:
    machine = a_machine(nozzle_um=400)
    tree = told(a_capacity(machines=(machine,)))

    (tmp_path / "okw.json").write_text(json.dumps([tree]))

    (found,) = read(tmp_path / "okw.json")
    (equipment,) = found.equipment
    assert found.name == tree["name"]
    assert found.lat is not None
    assert (equipment.process, equipment.nozzle_mm) == (machine.process, 0.4)
    assert equipment.volume_mm == tuple(side / 1000 for side in machine.volume_um)
    assert set(equipment.materials) == {held.material for held in machine.stock}
    assert found.processes == (machine.process,)


def test_what_okw_has_no_words_for_stands_in_one_object_of_our_own() -> None:
    capacity = a_capacity()
    tree = told(capacity)

    ours = tree[CAPACITY_KEY]
    assert isinstance(ours, dict)
    assert ours["ad"] == capacity.id.hex()
    assert ours["currency"] == "EUR"
    equipment = tree["equipment"]
    assert isinstance(equipment, list)
    assert equipment[0][CAPACITY_KEY]["loaded"] == [
        {"material": "PLA", "grams": 5000.0, "price_per_kg": 20.0}
    ]
    assert {key for key in tree if key.startswith("x_")} == {CAPACITY_KEY}


def test_a_workshop_whose_word_is_over_is_told_without_machines() -> None:
    assert told(None)["equipment"] == []


def test_a_workshop_has_the_same_id_each_time_and_no_two_the_same() -> None:
    workshop = a_workshop().body
    assert isinstance(workshop, Workshop)

    assert told(None)["id"] == told(a_capacity())["id"]
    assert told(None)["id"] != facility(ALICE.node, workshop, None)["id"]
