"""Pascal VOC: `Annotations/<stem>.xml`, `JPEGImages/`, `ImageSets/Main/<split>.txt`, `labelmap.txt`. Boxes alone.

Corners are zero-based pixels with fractions, as CVAT, Datumaro, FiftyOne and LabelImg have them. Tags are in VOC's
lists of classes, `ImageSets/Main/<class>_<split>.txt`: 1 present, -1 absent; an image not searched for it is in none.

Not by Datumaro, whose exporter (1.13) keeps coordinates to 0.01 px in float32, says -1 of every class that is only
marked by boxes, fails on `occluded: "true"`, and decodes every image to write its depth.
Format: http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html
"""

from collections import Counter, defaultdict
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from datasets.coco import Annotation, Dataset, Image
from datasets.exporting.geometry import upright_box
from datasets.exporting.losses import is_occluded, plain_attributes
from datasets.exporting.names import export_name, file_safe, split_name
from datasets.exporting.palette import colour
from datasets.exporting.selection import Place, Selection
from datasets.exporting.settings import Written, counted
from datasets.exporting.xml import add_texts, number, xml_text
from datasets.geometry import clip_box

_NATIVE = {"truncated", "difficult", "pose"}
_TOLD = {
    "outside": ("annotations lie outside their image", "left out"),
    "clipped": ("annotations reach out of their image", "clipped to it"),
}


def write_voc_export(selection: Selection, folder: Path, place: Place) -> Written:
    """Fill a folder."""
    told: Counter[str] = Counter()
    written = 0
    for part in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (folder / part).mkdir(parents=True)
    for image in selection.dataset.images:
        name = export_name(image)
        place(image, f"JPEGImages/{name}")
        root = _annotation_xml(image, name, selection.dataset, told)
        written += len(root.findall("object"))
        (folder / "Annotations" / f"{Path(name).stem}.xml").write_bytes(tostring(root, encoding="utf-8"))
    for file_name, lines in _image_sets(selection).items():
        (folder / "ImageSets/Main" / f"{file_name}.txt").write_text("".join(f"{line}\n" for line in lines))
    (folder / "labelmap.txt").write_text(_label_map(selection), encoding="utf-8")
    return Written(written, counted(told, _TOLD))


def _annotation_xml(image: Image, name: str, dataset: Dataset, told: Counter[str]) -> Element:
    root = Element("annotation")
    add_texts(root, {"folder": "JPEGImages", "filename": name})
    add_texts(SubElement(root, "source"), {"database": "Carloop", "annotation": "Carloop", "image": image.sha256})
    add_texts(SubElement(root, "size"), {"width": image.width, "height": image.height, "depth": 3})
    add_texts(root, {"segmented": 0})
    for annotation in dataset.annotations_of.get(image.sha256, ()):
        _add_object(root, annotation, image, dataset.taxonomy.name(annotation.category_id), told)
    indent(root)
    return root


def _add_object(root: Element, annotation: Annotation, image: Image, name: str, told: Counter[str]) -> None:
    upright = upright_box(annotation)
    inside = clip_box(upright, image.width, image.height)
    if inside is None:
        told["outside"] += 1
        return
    told["clipped"] += inside != upright
    x, y, width, height = inside
    entry = SubElement(root, "object")
    flags = {flag: _flag(annotation, flag) for flag in ("truncated", "difficult")}
    flags["difficult"] |= annotation.iscrowd
    add_texts(entry, {"name": name, "pose": annotation.attributes.get("pose", "Unspecified")})
    add_texts(entry, {key: int(value) for key, value in flags.items()} | {"occluded": int(is_occluded(annotation))})
    sides = {"xmin": x, "ymin": y, "xmax": x + width, "ymax": y + height}
    add_texts(SubElement(entry, "bndbox"), {key: number(value) for key, value in sides.items()})
    _add_attributes(entry, annotation)


def _flag(annotation: Annotation, name: str) -> bool:
    return annotation.attributes.get(name, "").lower() in ("true", "1")


def _add_attributes(entry: Element, annotation: Annotation) -> None:
    """The block in which CVAT and Datumaro keep attributes that VOC has no element for."""
    left = {k: v for k, v in plain_attributes(annotation).items() if k not in _NATIVE}
    block = SubElement(entry, "attributes") if left else None
    for name, value in sorted(left.items()):
        if block is not None:
            add_texts(SubElement(block, "attribute"), {"name": name, "value": value})


def _image_sets(selection: Selection) -> dict[str, list[str]]:
    sets: dict[str, list[str]] = defaultdict(list)
    safe = file_safe(selection.dataset.taxonomy.name(number) for number in selection.tag_ids)
    for image in selection.dataset.images:
        stem, split = Path(export_name(image)).stem, split_name(image)
        sets[split].append(stem)
        present = {tag.category_id for tag in image.tags}
        known = selection.dataset.known_category_ids(image.sha256) | present
        for tag_id in known.intersection(selection.tag_ids):
            name = safe[selection.dataset.taxonomy.name(tag_id)]
            sets[f"{name}_{split}"].append(f"{stem} {1 if tag_id in present else -1:2d}")
    return sets


def _label_map(selection: Selection) -> str:
    """Names and colours as CVAT and Datumaro read them; background is theirs."""
    rows = ["# label:color_rgb:parts:actions", "background:0,0,0::"]
    for category_id in (*selection.shape_ids, *selection.tag_ids):
        name = selection.dataset.taxonomy.name(category_id).replace(":", " ")
        rows.append(f"{xml_text(name)}:{_rgb(category_id)}::")
    return "\n".join(rows) + "\n"


def _rgb(index: int) -> str:
    return ",".join(map(str, colour(index % 256)))
