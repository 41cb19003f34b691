"""The floors of docs/architecture.md hold: imports point down only."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = {
    "pipelines": 3,
    "nuclio_functions": 3,
    "scrapers": 2,
    "cvat": 2,
    "training": 2,
    "datasets": 1,
}
SAME_FLOOR = {("pipelines", "nuclio_functions")}


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]


def may_import(importer: str, imported: str) -> bool:
    return imported == importer or FLOORS[imported] < FLOORS[importer] or (importer, imported) in SAME_FLOOR


@pytest.mark.parametrize("folder", FLOORS)
def test_imports_point_down_only(folder: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {imported}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for imported in imports_of(path)
        if imported in FLOORS and not may_import(folder, imported)
    ]
    assert wrong == []


def test_every_package_has_a_floor() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"benchmarks"}  # on top of the house
    assert packages == set(FLOORS)


def test_the_architecture_page_puts_every_folder_on_its_floor() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:3] for line in page.splitlines() if line.startswith("| ") and "`" in line.split("|")[2]]
    told = {folder.strip().strip("`/"): int(floor) for floor, folder in rows if floor.strip().isdigit()}
    assert told == FLOORS
