"""A dataset's numbers on a terminal."""

from datasets.rights.tables import console, table
from datasets.seeing.page import headline, ratio
from datasets.seeing.statistics import Statistics

_ROWS = 40


def print_statistics(found: Statistics) -> None:
    """The numbers, classes, split, sizes, sources and licences, as tables on stdout."""
    out = console()
    out.print(", ".join(f"{number:,} {name}" for name, number in headline(found)) + ".")
    out.print(_classes(found))
    out.print(_sizes(found))
    splits = [(row.name, row.images, row.annotations, row.tags, row.families) for row in found.splits]
    out.print(table("Split", ("side", "images", "objects", "tags", "families"), splits))
    sources = [(row.name, ", ".join(row.classes) or "not stated", row.images, row.objects) for row in found.sources]
    if sources:
        out.print(table("Sources", ("source", "looked for", "images", "objects"), sources[:_ROWS], texts=2))
    out.print(table("Licences", ("licence", "images"), list(found.licenses.items())[:_ROWS]))
    if max(len(sources), len(found.licenses)) > _ROWS:
        out.print("There are more sources or licences; --json lists all.")


def _classes(found: Statistics) -> object:
    names = ("class", "objects", "images", "of all", "present", "partly", "absent", "unknown")
    rows = [
        (r.name, r.objects, r.images, f"{r.image_share:.1%}", r.present, r.partly, r.absent, r.unknown)
        for r in found.classes
    ]
    return table("Classes (present to unknown: in how many images)", names, rows)


def _sizes(found: Statistics) -> object:
    measured = (
        ("image, megapixels", found.megapixels, "{:.3g}".format),
        ("box, side of the square in pixels", found.box_sides, "{:.0f}".format),
        ("box, share of the image's side", found.box_shares, "{:.1%}".format),
        ("box, width to height", found.aspect_ratios, ratio),
        ("objects per image", found.objects_per_image, "{:g}".format),
        ("images per family", found.families.sizes, "{:g}".format),
    )
    rows = [
        (name, *("" if value is None else shown(value) for value in (h.least, h.median, h.most)))
        for name, h, shown in measured
    ]
    coco = ", ".join(f"{name} {count:,}" for name, count in found.coco_sizes.items())
    return table(f"Sizes (boxes as COCO has them: {coco})", ("size", "least", "median", "most"), rows)
