"""Why a test set cannot judge a model at all, whatever the scores."""

from collections.abc import Iterable, Iterator

from datasets.coco import Dataset, Image


def overlap(test_set: Dataset, trained_on: Dataset) -> str | None:
    """Why a test set cannot judge what was trained on a version: they share families or pictures. None: they don't."""
    train = [image for image in trained_on.live.images if image.split == "train"]
    families, pictures = {image.family for image in train}, {sha256 for image in train for sha256 in _pictures(image)}
    shared = [i for i in test_set.live.images if i.family in families or not pictures.isdisjoint(_pictures(i))]
    if not shared:
        return None
    named = sorted({image.family for image in shared})
    return (
        f"the test set shares {len(shared)} of {len(test_set.live.images)} images with what the challenger was trained "
        f"on (families {', '.join(named[:3])}{', …' if len(named) > 3 else ''}); take a test set of other families"
    )


def _pictures(image: Image) -> Iterator[str]:
    """The image and everything that is known to show the same."""
    yield image.sha256
    yield from (copy.sha256 for copy in image.copies)
    yield from image.near
    if image.derived_from:
        yield image.derived_from


def prelabelled(test_set: Dataset, shown: Iterable[str]) -> str | None:
    """Why a test set cannot judge at all: models drew on some of its frames before people did. None: they didn't.

    `shown` are the SHA-256 of every frame that was ever pre-labelled. A corrected pre-label is anchored to its model.
    """
    drawn = sorted(test_set.live.by_sha256.keys() & set(shown))
    if not drawn:
        return None
    return (
        f"{len(drawn)} of {len(test_set.live.images)} test frames were pre-labelled before people corrected them "
        f"({', '.join(sha256[:12] for sha256 in drawn[:3])}{', …' if len(drawn) > 3 else ''}); "
        "take a test set that was labelled from scratch"
    )
