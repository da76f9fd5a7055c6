"""A town whose workshops come, go and change, and a view that hears of it."""

from dataclasses import replace
from random import Random

from msgspec import structs

from commonfab.protocol.ids import NodeId
from commonfab.scheduler.reference import Known
from commonfab.scheduler.view import CapacityView
from tests.scheduler.worlds import BERLIN, HAMBURG, HOUR_MS, NOON, a_town, a_workshop, node


class Town:
    def __init__(self, workshops: int, seed: int) -> None:
        self.random = Random(seed)
        self.known = {known.author: known for known in a_town(workshops, seed)}
        self.view = CapacityView(lambda author: self.known[author].standing)
        for known in self.known.values():
            self.tell(known)

    def tell(self, known: Known) -> None:
        self.known[known.author] = known
        if known.workshop:
            self.view.update_workshop(known.author, known.workshop)
        self.view.update_capacity(known.author, known.capacity)

    def change(self) -> NodeId:
        """Let somebody come, go, move, gain or lose trust, or have other machines."""
        known = self.random.choice(list(self.known.values()))
        new = a_town(1, self.random.randrange(2**32))[0]
        match self.random.randrange(6):
            case 0:
                self.view.forget(known.author)
                del self.known[known.author]
            case 1:
                known = replace(new, author=node(str(self.random.random())))
                self.tell(known)
            case 2:
                self.known[known.author] = replace(known, standing=new.standing)
                self.view.set_standing(known.author, new.standing)
            case 3:
                place = self.random.choice([BERLIN, HAMBURG])
                self.tell(replace(known, workshop=a_workshop(place)))
            case _:
                self.tell(self._with_some_of(known, new))
        return known.author

    def _with_some_of(self, known: Known, new: Known) -> Known:
        both = zip(known.capacity.machines, new.capacity.machines, strict=False)
        machines = tuple(self.random.choice(pair) for pair in both)
        until = NOON + self.random.choice([0, HOUR_MS])
        capacity = structs.replace(known.capacity, machines=machines, until=until)
        return replace(known, capacity=capacity)
