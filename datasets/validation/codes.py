"""Every code a validation can tell, with what it means and what to do. Codes are stable: scripts may rely on them.

`mends` says what `--repair` does: `yes` (none is left), `partly` (where that is safe), or `no` (a person decides).
"""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "info"]
Mends = Literal["yes", "partly", "no"]


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of finding: how bad, what it means, what to do, and whether a repair mends it."""

    severity: Severity
    mends: Mends
    meaning: str
    remedy: str


_FILE = {
    "json-empty": Code("error", "no", "the file has no content", "fetch or export it again"),
    "json-broken": Code("error", "no", "the file is not JSON", "mend it at the byte told, or export it again"),
    "json-cut-short": Code("error", "no", "the JSON ends before it is complete", "fetch or export it again"),
    "json-too-deep": Code("error", "no", "values are nested too deeply to read", "remove the nested value"),
    "json-encoding": Code("error", "yes", "the text is not plain UTF-8", "save it as UTF-8 without a byte order mark"),
    "json-nan": Code("error", "yes", "NaN, Infinity or a number too large for JSON", "write null or a number instead"),
    "json-duplicate-key": Code("error", "yes", "an object has one key twice", "keep one; readers take the last"),
    "json-lone-surrogate": Code("error", "no", "a text has half a character", "write the text anew"),
    "not-coco": Code("error", "no", "the file has not the form of COCO", "export it as COCO, or import it from VIA"),
    "missing-section": Code("error", "yes", "images, annotations or categories is absent", "add it, empty if need be"),
}

_IDS = {
    "wrong-record": Code("error", "yes", "a record is no JSON object", "remove it"),
    "bad-id": Code("error", "yes", "an id is missing or no integer", "number the record"),
    "bad-reference": Code(
        "error", "yes", "image_id or category_id is missing or no integer", "name an id, or remove it"
    ),
    "duplicate-image-id": Code("error", "yes", "one id for several images, and nothing depends on it", "number anew"),
    "ambiguous-image-id": Code(
        "error", "no", "one id for several images, and annotations use it", "tell whose they are, then number anew"
    ),
    "duplicate-annotation-id": Code("error", "yes", "one id for several annotations", "number them anew"),
    "duplicate-category-id": Code(
        "error", "yes", "one id for several categories, and nothing depends on it", "renumber"
    ),
    "ambiguous-category-id": Code(
        "error", "no", "one id for several categories, and annotations use it", "tell which is meant, then number anew"
    ),
    "dangling-image-id": Code(
        "error", "yes", "an annotation names an image that is not listed", "list it or remove it"
    ),
    "dangling-category-id": Code(
        "error", "no", "an annotation names a category that is not listed", "list the category"
    ),
    "image-without-annotations": Code("info", "no", "an image has no annotations", "fine if there is nothing on it"),
    "duplicate-annotation": Code("warning", "yes", "an annotation repeats an earlier one", "remove it"),
}

_NAMES = {
    "bad-category-name": Code("error", "yes", "a category's name is missing, blank or no text", "name it"),
    "duplicate-category-name": Code("warning", "yes", "several categories have one name", "make them one"),
    "unused-category": Code("info", "no", "no annotation has this category", "fine, or remove it"),
    "zero-category-id": Code(
        "warning", "no", "a category in use has id 0", "Carloop goes by names; tools that take 0 as background do not"
    ),
    "too-many-categories": Code("warning", "no", "more categories than any known dataset has", "check the export"),
    "bad-file-name": Code("error", "no", "file_name is missing, empty or no text", "name the image's file"),
    "backslash-file-name": Code("error", "yes", "file_name has backslashes", "write forward slashes"),
    "unsafe-file-name": Code("error", "no", "file_name leads out of the folder", "use names below the folder"),
    "duplicate-file-name": Code("error", "yes", "several images have one file_name", "make them one image"),
}

_BOXES = {
    "bad-bbox": Code("error", "yes", "bbox is missing or not four numbers", "write [x, y, width, height] in pixels"),
    "bbox-not-finite": Code("error", "yes", "bbox has NaN, Infinity or a number too large", "draw it again"),
    "bbox-negative": Code("error", "yes", "bbox has a negative width or height", "write [x, y, width, height]"),
    "bbox-empty": Code("error", "yes", "bbox has no width or no height", "draw it again"),
    "bbox-tiny": Code("warning", "no", "bbox is narrower than one pixel", "check that it is in pixels"),
    "bbox-outside": Code("error", "partly", "bbox lies outside its image", "draw it again"),
    "bbox-partly-outside": Code("error", "partly", "bbox reaches out of its image", "clip it to the image"),
    "bbox-off-shape": Code("warning", "no", "bbox is not the extent of its polygons", "keep the one that is right"),
    "missing-area": Code("warning", "yes", "area is absent, which evaluation needs", "write the shape's area"),
    "bad-area": Code("error", "yes", "area is negative, too large, or no number", "write the shape's area"),
    "area-mismatch": Code("warning", "yes", "area is not the shape's", "write the shape's area"),
    "bad-iscrowd": Code("error", "yes", "iscrowd is neither 0 nor 1", "write 1 for a crowd, 0 for one object"),
    "crowd-with-polygons": Code("warning", "no", "iscrowd is 1 on polygons", "write 0, or draw the crowd as a mask"),
    "rle-not-crowd": Code("info", "no", "iscrowd is 0 on a run-length mask", "fine for one object's mask"),
}

_SHAPES = {
    "bad-segmentation": Code(
        "error", "yes", "segmentation is neither polygons nor a mask", "write [[x, y, ...]] or []"
    ),
    "polygon-too-short": Code("error", "yes", "a polygon has fewer than three points", "remove it or draw it again"),
    "polygon-odd": Code("error", "yes", "a polygon has an odd number of coordinates", "remove it or draw it again"),
    "polygon-not-finite": Code("error", "yes", "a polygon has NaN, Infinity or a number too large", "draw it again"),
    "polygon-outside": Code("warning", "partly", "a polygon reaches out of its image", "clip it to the image"),
    "rle-broken": Code("error", "yes", "a mask's counts cannot be decoded or do not fill its size", "draw it again"),
    "rle-size": Code("error", "no", "a mask has another size than its image", "scale the mask or mend the size"),
}

_IMAGES = {
    "bad-size": Code(
        "error", "partly", "width or height is missing or no positive integer", "write the size in pixels"
    ),
    "missing-image-file": Code("error", "no", "the image's file is absent", "put it beside the file or under images/"),
    "unreadable-image": Code("error", "no", "the image is cut short or cannot be decoded", "fetch it again"),
    "image-bomb": Code("error", "no", "the image has more pixels or bytes than is safe to read", "make it smaller"),
    "symlink-outside": Code("error", "no", "the image's file is a link that leads out of the folder", "copy the file"),
    "size-mismatch": Code("error", "no", "the declared size is not the image's", "check the boxes, then mend the size"),
    "exif-raw-pixels": Code(
        "warning",
        "no",
        "the declared size is that before EXIF rotation, so boxes are in raw pixels",
        "turn them upright",
    ),
    "exif-ambiguous": Code(
        "warning", "no", "the image is rotated by EXIF and its size cannot tell in which pixels boxes are", "look at it"
    ),
    "same-bytes": Code("warning", "no", "one image under several names", "keep one of them"),
    "duplicate-across-splits": Code("error", "no", "one image in several splits", "keep it in one split"),
    "contradicting-annotations": Code("error", "no", "one image with differing annotations", "decide what is right"),
    "contradicting-classes": Code("warning", "no", "copies of one photo with other classes", "decide what is right"),
    "same-source-across-splits": Code(
        "warning", "no", "copies of one photo, by Roboflow's name for it, in several splits", "keep them in one split"
    ),
    "near-duplicate-across-splits": Code("warning", "no", "nearly the same image in several splits", "keep one split"),
}

CODES: dict[str, Code] = {**_FILE, **_IDS, **_NAMES, **_BOXES, **_SHAPES, **_IMAGES}
