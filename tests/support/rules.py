"""The rules about who may import whom; each lists what breaks it."""

from pathlib import Path

from modeling_empathic.saving_empathic import CODE_FILES
from tests.support.imports import House, circles

ROOMS = (  # each may import those below it, and nothing else of ours
    "emonet_voice",
    "spaces",
    "evaluate_metrics",
    "dataset_scripts",
    "modeling_empathic",
)
BESIDE = ("tests", "examples", "benchmarks")  # they import the rooms, and no room imports them
CORE = "modeling_empathic"
SHIPPED = {f"{CORE}.{Path(name).stem}" for name in CODE_FILES}


def room(name: str) -> str:
    """The outer folder of a dotted name."""
    return name.split(".")[0]


def against_the_rooms(house: House) -> list[str]:
    rank = {name: floor for floor, name in enumerate(ROOMS)}
    return [
        str(arrow)
        for arrow in house.arrows
        if room(arrow.importing) in ROOMS
        and (end := room(arrow.imported)) in (*ROOMS, *BESIDE)
        and (end in BESIDE or rank[end] < rank[room(arrow.importing)])
    ]


def against_the_inner_rooms(house: House) -> list[str]:
    """Shipped files see each other, report sees the taxonomy, the metric sees itself."""
    report, metric = f"{CORE}.report", "evaluate_metrics.emonet_voice"
    faults = []
    for arrow in house.arrows:
        start, end = arrow.importing, arrow.imported
        ships = start in SHIPPED and end not in SHIPPED
        reports = inside(start, report) and not (inside(end, report) or end == f"{CORE}.taxonomy")
        measures = inside(start, metric) and not inside(end, metric)
        if room(end) in ROOMS and (ships or reports or measures):
            faults.append(str(arrow))
    return faults


def inside(name: str, package: str) -> bool:
    return f"{name}.".startswith(f"{package}.")


def circles_of_files(house: House) -> list[list[str]]:
    return circles((arrow.importing, arrow.imported) for arrow in house.arrows if arrow.at_import)


def circles_of_folders(house: House) -> list[list[str]]:
    """Between folders, late imports count: a room that needs another's room is above it."""
    folder = {
        name: name if path.name == "__init__.py" else name.rpartition(".")[0]
        for name, path in house.files.items()
    }
    return circles(
        (folder[arrow.importing], folder[arrow.imported])
        for arrow in house.arrows
        if room(arrow.importing) in ROOMS and arrow.imported in folder
    )


def imports_of_test_modules(house: House) -> list[str]:
    return [
        str(arrow)
        for arrow in house.arrows
        if room(arrow.imported) == "tests" and ".test_" in arrow.imported
    ]


RULES = (
    against_the_rooms,
    against_the_inner_rooms,
    circles_of_files,
    circles_of_folders,
    imports_of_test_modules,
)
