"""The kinds of making: an id of ours, the kind above it, and what others call it.

A word that is not here is still a process, only one that nobody else may mean by it.
Sources of the names: the codes of OKH's `tsdc`; titles of Wikipedia's articles, which OKW
takes for ids; the slugs of Open Hardware Manager; what slicers and their users write.
`wikidata` is written where the item is sure. Others' items that name something else there
(as Q174689, a city, for CNC) are still read, among the aliases, for that is what is meant.
"""

from dataclasses import dataclass

from . import names

FFF_PRINTING = "fff-printing"


@dataclass(frozen=True, slots=True)
class Process:
    id: str
    parent: str = ""
    """The kind that it is one of; empty: of none."""
    tsdc: str = ""
    """OKH's code, where it has one for just this kind."""
    wikipedia: str = ""
    """Title of the English article, as in its address: OKW's id."""
    wikidata: str = ""
    names: tuple[str, ...] = ()
    """Other words for it, in any spelling."""

    @property
    def aliases(self) -> tuple[str, ...]:
        others = (self.tsdc, self.wikipedia, self.wikidata)
        return (*self.names, *(word for word in others if word))


PROCESSES = (
    Process(
        "3d-printing", "", "3DP", "3D_printing", "Q229367",
        ("additive manufacturing", "3d print", "3d printer", "impression 3d", "am", "printing"),
    ),
    Process(
        FFF_PRINTING, "3d-printing", "", "Fused_filament_fabrication", "",
        ("fff", "fdm", "fdm printing", "fused deposition modeling", "fused deposition modelling",
         "3d printing fdm", "filament printing", "material extrusion"),
    ),
    Process(
        "sla-printing", "3d-printing", "", "Stereolithography", "",
        ("sla", "msla", "resin printing", "3d printing sla", "vat photopolymerization", "resin"),
    ),
    Process(
        "dlp-printing", "sla-printing", "", "Digital_light_processing", "",
        ("dlp", "3d printing dlp"),
    ),
    Process(
        "sls-printing", "3d-printing", "", "Selective_laser_sintering", "",
        ("sls", "3d printing sls", "powder bed fusion"),
    ),
    Process("mjf-printing", "3d-printing", "", "", "", ("mjf", "multi jet fusion")),
    Process(
        "dmls-printing", "3d-printing", "", "Selective_laser_melting", "",
        ("dmls", "slm", "direct metal laser sintering", "metal printing"),
    ),
    Process(
        "clay-printing", "3d-printing", "", "", "",
        ("ceramic printing", "paste extrusion", "robocasting"),
    ),
    Process(
        "cnc-machining", "", "", "Numerical_control", "",
        ("machining", "subtractive manufacturing", "computer numerical control", "q174689"),
    ),
    Process(
        "cnc-milling", "cnc-machining", "CNC", "Milling_(machining)", "",
        ("milling", "cnc mill", "mill", "cnc router", "cnc routing", "router"),
    ),
    Process(
        "cnc-turning", "cnc-machining", "", "Turning", "",
        ("turning operation", "cnc lathe", "lathe", "metal lathe"),
    ),
    Process("drilling", "cnc-machining", "", "Drilling", "", ("drill",)),
    Process("grinding", "cnc-machining", "", "Grinding_(abrasive_cutting)", "", ("grind",)),
    Process("cutting", "", "", "Cutting", "", ("cut",)),
    Process(
        "laser-cutting", "cutting", "LAS", "Laser_cutting", "",
        ("laser", "laser cutter", "laser cut", "q3062349"),
    ),
    Process("laser-engraving", "", "", "Laser_engraving", "", ("engraving", "laser marking")),
    Process(
        "water-jet-cutting", "cutting", "", "Water_jet_cutter", "",
        ("waterjet", "water jet", "waterjet cutting"),
    ),
    Process("plasma-cutting", "cutting", "", "Plasma_cutting", "", ("plasma cutter", "plasma")),
    Process("vinyl-cutting", "cutting", "", "Vinyl_cutter", "", ("vinyl", "knife cutting")),
    Process(
        "wire-cutting", "cutting", "", "Hot-wire_foam_cutter", "", ("hot wire", "foam cutting")
    ),
    Process("sawing", "cutting", "", "Saw", "", ("band saw", "table saw")),
    Process(
        "pcb-fabrication", "", "PCB", "Printed_circuit_board", "",
        ("circuit board", "pcb milling", "pcb etching", "pcb manufacturing", "q1047286", "pcbs"),
    ),
    Process(
        "electronics-assembly", "assembly", "CIR", "Electronics_manufacturing", "",
        ("pcb assembly", "electronic circuitry", "surface mount technology", "smt"),
    ),
    Process("soldering", "electronics-assembly", "", "Soldering", "", ("solder",)),
    Process("assembly", "", "ASM", "Assembly_line", "", ("assemble", "assembling", "mounting")),
    Process("mechanical-assembly", "assembly", "MEC", "", "", ("mechanics",)),
    Process(
        "welding", "", "WEL", "Welding", "Q131172",
        ("weld", "welder", "arc welding", "mig welding", "tig welding", "q12544"),
    ),
    Process("brazing", "", "", "Brazing", "", ("braze",)),
    Process("bending", "", "", "Bending_(metalworking)", "", ("bend", "press brake", "folding")),
    Process("sheet-metal-forming", "", "", "Sheet_metal", "", ("sheet metal forming",)),
    Process("casting", "", "", "Casting", "", ("mould casting", "mold casting", "moulding")),
    Process(
        "injection-moulding", "", "", "Injection_moulding", "",
        ("injection molding", "injection mold"),
    ),
    Process("vacuum-forming", "", "", "Vacuum_forming", "", ("thermoforming",)),
    Process("forging", "", "", "Forging", "", ("blacksmithing", "forge")),
    Process("sewing", "", "", "Sewing", "", ("stitching", "textile")),
    Process("knitting", "", "", "Knitting", "", ("knit", "knitting machine")),
    Process("weaving", "", "", "Weaving", "", ("weave", "loom")),
    Process("woodworking", "", "", "Woodworking", "", ("carpentry", "joinery")),
    Process("coating", "", "", "Coating", "", ("powder coating", "painting", "paint")),
    Process("heat-treatment", "", "", "Heat_treating", "", ("annealing", "tempering")),
)  # fmt: skip
JOINING = frozenset({"assembly", "mechanical-assembly", "electronics-assembly", "welding"})
"""What puts parts together: a design's way, and not that of each of its parts."""

_BY_ID = {process.id: process for process in PROCESSES}
_BY_KEY = names.by_key(PROCESSES)

assert all(process.parent in {"", *_BY_ID} for process in PROCESSES)


def find(word: str) -> Process | None:
    """Return the process that a word means, in any of its names; None: the word is unknown."""
    return _BY_KEY.get(names.key(word))


def id_of(word: str) -> str:
    """Return the id of the process that is meant, or the word itself, trimmed, if unknown."""
    found = find(word)
    return found.id if found is not None else word.strip()


def is_a(process: str, kind: str) -> bool:
    """Return whether a process is of a kind, or the kind itself; both by id."""
    while process and process != kind:
        known = _BY_ID.get(process)
        process = known.parent if known is not None else ""
    return process == kind


def with_kinds(word: str) -> tuple[str, ...]:
    """Return the id of the process that is meant, and those of all its kinds."""
    process = id_of(word)
    return (
        process,
        *(each.id for each in PROCESSES if each.id != process and is_a(each.id, process)),
    )


def tsdc_of(process: str) -> str:
    """Return OKH's code for a process by id, or for the nearest kind above it; "": none has."""
    while process:
        known = _BY_ID.get(process)
        if known is None:
            return ""
        if known.tsdc:
            return known.tsdc
        process = known.parent
    return ""


def okw_of(process: str) -> str:
    """Return what OKW calls a process by id: an address in Wikipedia; its own word if unknown."""
    known = _BY_ID.get(process)
    if known is None or not known.wikipedia:
        return process
    return f"https://en.wikipedia.org/wiki/{known.wikipedia}"
