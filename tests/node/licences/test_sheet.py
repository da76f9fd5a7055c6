"""Whom a design owes what, through all that it was made from."""

from commonfab.node.licences.sheet import WORKS_MAX, attribution, sentences
from commonfab.protocol.ids import RecordId
from commonfab.protocol.records import Origin, Record
from tests.builders import a_design, a_fork_of
from tests.protocol.signers import BOB, CAROL


def find_in(*records: Record) -> dict[RecordId, Record]:
    return {record.id: record for record in records}


def test_a_sheet_names_all_that_a_design_was_made_from_the_nearest_first() -> None:
    first = a_design(name="Hinge", licensor="Alice", licence="CC-BY-SA-4.0")
    second = a_design(BOB, name="Door", licensor="Bob", derived_from=(a_fork_of(first),))
    unknown = Origin(design=bytes(32), relation="remix")
    third = a_design(CAROL, name="House", derived_from=(a_fork_of(second), unknown))

    sheet = attribution(third, find_in(first, second).get)

    assert [(work.below, work.relation, work.name) for work in sheet.works] == [
        (0, "", "House"),
        (1, "fork", "Door"),
        (1, "remix", ""),
        (2, "fork", "Hinge"),
    ]
    assert sheet.works[3].duties == [
        "Name Alice, CC-BY-SA-4.0, and what you changed.",
        "What you make from it and pass on stays under CC-BY-SA-4.0.",
    ]
    assert sheet.conflicts == [
        "Door was made from Hinge: what is made from CC-BY-SA-4.0 stays under it,"
        " and CERN-OHL-S-2.0 is another"
    ]


def test_a_work_that_is_reached_twice_is_named_once() -> None:
    first = a_design()
    left = a_design(BOB, derived_from=(a_fork_of(first),))
    right = a_design(CAROL, derived_from=(a_fork_of(first),))
    both = a_design(name="Both", derived_from=(a_fork_of(left), a_fork_of(right)))

    sheet = attribution(both, find_in(first, left, right).get)

    assert [work.id for work in sheet.works] == [r.id.hex() for r in (both, left, right, first)]
    assert sheet.conflicts == []


def test_a_sheet_of_very_many_works_is_cut() -> None:
    records = [a_design(name="0")]
    for number in range(1, WORKS_MAX + 5):
        records.append(a_design(name=str(number), derived_from=(a_fork_of(records[-1]),)))

    assert len(attribution(records[-1], find_in(*records).get).works) == WORKS_MAX


def test_each_way_to_take_a_licence_is_told() -> None:
    assert sentences("CC0-1.0 OR CC-BY-NC-ND-4.0", "Ann") == [
        "Under CC0-1.0: Do as you like with it.",
        "Under CC-BY-NC-ND-4.0: Name Ann, CC-BY-NC-ND-4.0, and what you changed.",
        "Under CC-BY-NC-ND-4.0: Nobody may earn money with it: agree on cost alone,"
        " or ask for leave.",
        "Under CC-BY-NC-ND-4.0: Make it as it is: nothing that is made from it may be passed on.",
    ]


def test_hardware_and_unknown_licences_have_sentences_of_their_own() -> None:
    assert sentences("CERN-OHL-W-2.0", "Ann")[1:] == [
        "Changes to its own files stay under the same licence.",
        "With a thing made from it, hand over its files or where to find them.",
    ]
    assert "read it, or ask Ann" in sentences("LicenseRef-ours", "Ann")[0]
    assert "names no licence" in sentences("NOASSERTION", "Ann")[0]
