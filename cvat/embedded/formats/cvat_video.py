"""CVAT's "CVAT for video 1.1": tracks frame by frame. Single shapes become tracks of one frame; tags are lost."""

from collections.abc import Iterable, Iterator
from itertools import count
from xml.etree.ElementTree import Element as XmlElement
from xml.etree.ElementTree import SubElement

from msgspec.structs import replace

from cvat.embedded.formats.cvat_xml import ANNOTATIONS, add_attributes, add_shape, finish_document, start_document
from cvat.embedded.formats.dataset import Dataset, Part
from cvat.embedded.labeled import Element, ElementTrack, KeyFrame, Shape, Track
from cvat.embedded.specs import LabelSpec
from cvat.embedded.tracks import Sight, sights


def annotation_files(dataset: Dataset) -> Iterator[tuple[str, bytes]]:
    """Name and content of the one file of annotations."""
    root = start_document(dataset)
    ids = count()
    for part in dataset.parts:
        project = {"task_id": str(part.task_id), "subset": part.subset} if dataset.kind == "project" else {}
        shapes = (_as_track(shape, part) for shape in part.shapes)
        for track in (*part.tracks, *shapes):
            label = dataset.labels[track.label_id]
            fields = {"id": str(next(ids)), "label": label.name, "source": track.source, **project}
            if track.group:
                fields["group_id"] = str(track.group)
            _add_track(SubElement(root, "track", fields), track, label, part)
    yield ANNOTATIONS, finish_document(root)


def _add_track(parent: XmlElement, track: Track, label: LabelSpec, part: Part) -> None:
    elements = [(label.parts[element.label_id], element, _by_frame(element, part)) for element in track.elements]
    for frame, sight in _by_frame(track, part).items():
        flags = {"frame": str(part.numbers[frame]), "keyframe": str(int(sight.is_key))}
        parts = [(spec, element, seen[frame]) for spec, element, seen in elements if frame in seen]
        if track.elements and not parts:
            continue
        if sight.shape.type != "skeleton":
            flags |= _flags(sight)
        added = add_shape(parent, sight.shape, flags)
        added.set("z_order", str(sight.shape.z_order))
        for spec, element, seen in parts:
            own = {"label": spec.name, "keyframe": str(int(seen.is_key)), **_flags(seen)}
            add_attributes(add_shape(added, seen.shape, own), spec, [*seen.shape.attributes, *element.attributes])
        add_attributes(added, label, [*sight.shape.attributes, *track.attributes])


def _flags(sight: Sight) -> dict[str, str]:
    return {"outside": str(int(sight.shape.outside)), "occluded": str(int(sight.shape.occluded))}


def _by_frame(track: ElementTrack, part: Part) -> dict[int, Sight]:
    """A track on the frames that are kept."""
    kept = {frame.index for frame in part.frames}
    seen = sights(track, max(part.numbers) + 1)
    return {sight.shape.frame: sight for sight in seen if sight.shape.frame in kept}


def _as_track(shape: Shape, part: Part) -> Track:
    """A track that is seen on one frame."""
    elements = [
        ElementTrack(frame=shape.frame, label_id=element.label_id, shapes=_one_frame(element, part))
        for element in shape.elements
    ]
    return Track(
        frame=shape.frame,
        label_id=shape.label_id,
        group=shape.group,
        source=shape.source,
        shapes=_one_frame(shape, part),
        elements=elements,
    )


def _one_frame(shape: Element, part: Part) -> list[KeyFrame]:
    fields: Iterable[str] = ("type", "occluded", "outside", "z_order", "rotation", "points", "attributes")
    key = KeyFrame(frame=shape.frame, **{name: getattr(shape, name) for name in fields})
    after = shape.frame + 1
    return [key, replace(key, frame=after, outside=True)] if after in part.numbers else [key]
