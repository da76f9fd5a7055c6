"""The materials: an id of ours, what it is one of, its density, and how hot it is printed.

A word that is not here is still a material, only one of which nothing is known.
Densities and temperatures of filaments are those of the generic profiles of PrusaSlicer
2.5.0, and of Prusament's where it has no generic one (ASA, PC, PVB); TPU is its "Generic
FLEX". Those of resins, powders, boards and metals are from the usual tables of their kind
and hold to a few hundredths. 0: not known, or it depends too much on the product.
"""

from dataclasses import dataclass

from . import names


@dataclass(frozen=True, slots=True)
class Material:
    id: str
    parent: str = ""
    """What it is one of; empty: of none."""
    density: float = 0.0
    """mg/mm3, which is g/cm3."""
    nozzle_c: tuple[int, int] = (0, 0)
    """From and to, while it is extruded."""
    bed_c: tuple[int, int] = (0, 0)
    """From and to, of what it is laid on."""
    wikipedia: str = ""
    """Title of the English article, as in its address: OKW's id."""
    names: tuple[str, ...] = ()
    """Other words for it, in any spelling."""

    @property
    def aliases(self) -> tuple[str, ...]:
        return (*self.names, self.wikipedia) if self.wikipedia else self.names


MATERIALS = (
    # Filaments.
    Material("PLA", "plastic", 1.24, (190, 230), (40, 65), "Polylactic_acid",
             ("pla+", "pla filament", "polylactide", "generic pla", "pla plus")),
    Material("PETG", "plastic", 1.27, (220, 260), (70, 95), "Polyethylene_terephthalate_glycol",
             ("pet-g", "generic pet", "generic petg", "petg filament", "pet")),
    Material("ABS", "plastic", 1.04, (230, 265), (90, 115), "Acrylonitrile_butadiene_styrene",
             ("generic abs", "abs filament")),
    Material("ASA", "plastic", 1.07, (240, 270), (90, 115), "Acrylonitrile_styrene_acrylate",
             ("generic asa",)),
    Material("HIPS", "plastic", 1.04, (220, 250), (90, 115), "High_impact_polystyrene",
             ("generic hips", "high-impact polystyrene")),
    Material("PC", "plastic", 1.22, (255, 300), (90, 120), "Polycarbonate", ("generic pc",)),
    Material("PVB", "plastic", 1.09, (200, 230), (65, 85), "Polyvinyl_butyral", ()),
    Material("TPU", "plastic", 1.22, (210, 250), (30, 70), "Thermoplastic_polyurethane",
             ("flex", "generic flex", "tpe", "flexible", "ninjaflex", "tpu 95a", "tpu95a")),
    Material("PA", "plastic", 1.14, (240, 285), (70, 110), "Nylon",
             ("nylon filament", "generic nylon", "pa6", "polyamide")),
    Material("PA12", "PA", 1.01, (240, 270), (70, 110), "Nylon_12", ("nylon 12", "pa 12")),
    Material("PP", "plastic", 0.9, (215, 250), (80, 105), "Polypropylene", ("generic pp",)),
    Material("PVA", "plastic", 1.23, (190, 220), (45, 65), "Polyvinyl_alcohol", ("generic pva",)),
    Material("PEEK", "plastic", 1.3, (360, 420), (110, 150), "Polyether_ether_ketone", ()),
    # Resins and powders.
    Material("resin", "plastic", 1.1, wikipedia="Photopolymer",
             names=("photopolymer resin", "sla resin", "standard resin", "uv resin")),
    # Sheets.
    Material("acrylic", "plastic", 1.18, wikipedia="Poly(methyl_methacrylate)",
             names=("pmma", "plexiglas", "plexiglass", "perspex")),
    Material("HDPE", "plastic", 0.95, wikipedia="High-density_polyethylene", names=("pe-hd",)),
    Material("POM", "plastic", 1.41, wikipedia="Polyoxymethylene", names=("delrin", "acetal")),
    Material("plywood", "wood", 0.68, wikipedia="Plywood", names=("ply", "birch plywood")),
    Material("MDF", "wood", 0.75, wikipedia="Medium-density_fibreboard", names=("fibreboard",)),
    Material("cardboard", "paper", wikipedia="Corrugated_fiberboard", names=("carton",)),
    Material("FR-4", "", 1.85, wikipedia="FR-4", names=("fr4", "pcb laminate", "glass epoxy")),
    # Metals.
    Material("aluminium", "metal", 2.7, wikipedia="Aluminium",
             names=("aluminum", "alu", "al 6061", "6061", "aluminium alloy")),
    Material("steel", "metal", 7.85, wikipedia="Steel",
             names=("mild steel", "s235", "carbon steel")),
    Material("stainless-steel", "steel", 7.9, wikipedia="Stainless_steel",
             names=("inox", "304", "316l", "v2a", "v4a")),
    Material("brass", "metal", 8.5, wikipedia="Brass", names=("messing",)),
    Material("copper", "metal", 8.96, wikipedia="Copper", names=("cu",)),
    Material("titanium", "metal", 4.5, wikipedia="Titanium", names=("ti6al4v",)),
    # Kinds.
    Material("plastic", wikipedia="Plastic", names=("polymer", "plastics")),
    Material("metal", wikipedia="Metal", names=("metals",)),
    Material("wood", wikipedia="Wood", names=("timber", "lumber", "solid wood")),
    Material("paper", wikipedia="Paper", names=("papers",)),
    Material("textile", wikipedia="Textile", names=("fabric", "cloth", "cotton")),
    Material("leather", wikipedia="Leather", names=("hide",)),
    Material("clay", wikipedia="Clay", names=("ceramic", "ceramics", "stoneware")),
    Material("concrete", "", 2.4, wikipedia="Concrete", names=("cement",)),
    Material("glass", "", 2.5, wikipedia="Glass", names=("soda lime glass",)),
)  # fmt: skip

_BY_KEY = names.by_key(MATERIALS)
_BY_ID = {material.id: material for material in MATERIALS}

assert all(material.parent in {"", *_BY_ID} for material in MATERIALS)


def find(word: str) -> Material | None:
    """Return the material that a word means, in any of its names; None: the word is unknown."""
    return _BY_KEY.get(names.key(word))


def id_of(word: str) -> str:
    """Return the id of the material that is meant, or the word itself, trimmed, if unknown."""
    found = find(word)
    return found.id if found is not None else word.strip()


def okw_of(material: str) -> str:
    """Return what OKW calls a material by id: an address in Wikipedia; its own word if unknown."""
    known = _BY_ID.get(material)
    if known is None or not known.wikipedia:
        return material
    return f"https://en.wikipedia.org/wiki/{known.wikipedia}"
