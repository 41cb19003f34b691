"""Takedowns: the picture goes with all that holds it, and nothing else does."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from datasets.coco import Annotation, Copy, Dataset, Image, Provenance, View, make_dataset
from datasets.errors import BadDataset
from datasets.rights import print_takedown, takedown
from datasets.rights.takedown import hashes, spelt_url
from datasets.taxonomy import Taxonomy

A, B, C, D, E = (letter * 64 for letter in "abcde")
WAYS: Mapping[str, tuple[dict[str, list[str]], Sequence[str]]] = {
    "a file's address": ({"urls": ["https://a.example/1.jpg"]}, [A, B]),
    "a page's address, otherwise written": ({"urls": ["http://B.example:80/cars#x"]}, [A, B]),
    "an author, otherwise written": ({"authors": ["ANN LEE"]}, [A, B, E]),
    "one of its sources": ({"sources": ["roboflow"]}, [A, B, C]),
    "the source of an original where there is no view": ({"sources": ["cvat"]}, [A, B, E]),
    "its hash": ({"sha256s": [C]}, [C]),
    "the beginning of its hash": ({"sha256s": [" CCCCCCCC"]}, [C]),
    "the hash of its copy": ({"sha256s": [D]}, [A, B]),
    "two ways at once": ({"sha256s": [E], "authors": ["bo"]}, [C, E]),
}


@pytest.mark.parametrize(("claim", "gone"), WAYS.values(), ids=WAYS)
def test_images_go_by(claim: dict[str, list[str]], gone: Sequence[str], dataset: Dataset) -> None:
    done = takedown(dataset, **claim)
    assert [image.sha256 for image in done.removed] == gone
    assert set(done.dataset.by_sha256) == {A, B, C, E} - set(gone)
    assert {annotation.sha256 for annotation in done.dataset.annotations} == set(done.dataset.by_sha256)


def test_each_removed_image_says_why(dataset: Dataset) -> None:
    done = takedown(dataset, authors=["Ann Lee"], sha256s=[A])
    assert done.reasons == {
        A: f"author Ann Lee, hash {A}",
        B: "holds the picture of aaaaaaaaaaaaaaaa",
        E: "author Ann Lee",
    }


def test_the_original_of_a_derived_image_stays(dataset: Dataset) -> None:
    assert [image.sha256 for image in takedown(dataset, sha256s=[B]).removed] == [B]


def test_a_near_duplicate_stays_and_is_told(dataset: Dataset) -> None:
    done = takedown(dataset, sha256s=[A])
    assert [image.sha256 for image in done.near] == [C]
    assert done.dataset.by_sha256[C].near == ()


def test_what_names_nothing_is_told(dataset: Dataset) -> None:
    done = takedown(dataset, sha256s=[C], authors=["Nobody"], urls=["https://c.example"])
    assert done.unmatched == ("URL https://c.example", "author Nobody")


def test_nothing_found_is_an_error(dataset: Dataset) -> None:
    with pytest.raises(BadDataset, match=r"no image of 4 has URL http://x or author Nobody; check the spelling"):
        takedown(dataset, urls=["http://x"], authors=["Nobody"])


def test_nothing_asked_is_an_error(dataset: Dataset) -> None:
    with pytest.raises(BadDataset, match="give a URL, an author, a source or an image hash"):
        takedown(dataset)


@pytest.mark.parametrize("prefix", ["abc", "zzzzzzzz", "", "a" * 65, "../aaaaa"])
def test_what_is_no_hash_is_an_error(prefix: str, dataset: Dataset) -> None:
    with pytest.raises(BadDataset, match="is no image hash; give at least its first 8 hex digits"):
        takedown(dataset, sha256s=[prefix])


def test_a_prefix_of_two_hashes_is_an_error(taxonomy: Taxonomy) -> None:
    images = [Image("a" * 63 + last, "a.jpg", 1, 1, "car") for last in "12"]
    with pytest.raises(BadDataset, match=r"begins 2 image hashes, .* give more digits"):
        takedown(make_dataset(taxonomy, images, []), sha256s=["aaaaaaaaa"])


@pytest.mark.parametrize(
    "url", ["https://a.example:8443/x?id=1", "http://[::1", "x", "a.example:8443/x", "https://a.example:99999/", ""]
)
def test_a_url_is_spelt_once_and_for_all(url: str) -> None:
    assert spelt_url(spelt_url(url)) == spelt_url(url)


def test_what_tells_pages_apart_is_kept() -> None:
    assert spelt_url("https://me@A.example:8443/X/?id=1#top") == "a.example:8443/X?id=1"
    assert spelt_url("A.example:8443/X/?id=1") == "a.example:8443/X?id=1"


def _images() -> SearchStrategy[list[Image]]:
    letters = st.sampled_from("0123456789")

    def make(letter: str, copies: list[str], derived: str | None, near: list[str], **said: Any) -> Image:
        return Image(
            letter * 64,
            f"{letter}.jpg",
            1,
            1,
            "car",
            source=Provenance(author=said["author"]),
            views=tuple(View(name, "x.jpg", "car") for name in said["sources"]),
            copies=tuple(Copy(copy * 64, "c.jpg", 1, 1) for copy in copies),
            derived_from=derived and derived * 64,
            near=tuple(other * 64 for other in near),
        )

    return st.lists(
        st.builds(
            make,
            letters,
            st.lists(letters, max_size=2),
            st.none() | letters,
            st.lists(letters, max_size=2),
            author=st.sampled_from([None, "Ann", "Bo"]),
            sources=st.lists(st.sampled_from(["one", "two"]), max_size=2),
        ),
        min_size=1,
        max_size=6,
        unique_by=lambda image: image.sha256,
    )


@given(images=_images(), letter=st.sampled_from("0123456789"))
def test_nothing_that_stays_names_a_removed_picture(images: list[Image], letter: str, taxonomy: Taxonomy) -> None:
    dataset = make_dataset(taxonomy, images, [Annotation(i.sha256, 2, (0.0, 0.0, 1.0, 1.0)) for i in images])
    try:
        done = takedown(dataset, authors=["Ann"], sha256s=[letter * 64])
    except BadDataset:
        return
    gone = {sha256 for image in done.removed for sha256 in hashes(image)}
    for image in done.dataset.images:
        assert gone.isdisjoint({*hashes(image), image.derived_from, *image.near})
    assert len(done.removed) + len(done.dataset.images) == len(images)
    with pytest.raises(BadDataset, match="no image"):
        takedown(done.dataset, authors=["Ann"], sha256s=[letter * 64])


@given(images=_images())
def test_one_after_another_is_both_at_once(images: list[Image], taxonomy: Taxonomy) -> None:
    def without(dataset: Dataset, **claim: list[str]) -> Dataset:
        try:
            return takedown(dataset, **claim).dataset
        except BadDataset:
            return dataset

    dataset = make_dataset(taxonomy, images, [])
    both = without(dataset, authors=["Ann"], sources=["two"])
    assert without(without(dataset, authors=["Ann"]), sources=["two"]) == both
    assert without(without(dataset, sources=["two"]), authors=["Ann"]) == both


def test_a_takedown_is_printed(dataset: Dataset, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    print_takedown(takedown(dataset, sha256s=[A], authors=["[red]Nobody\x1b[2J"]))
    told = capsys.readouterr().out
    assert "2 images went, 2 stay." in told
    assert "Nothing has author [red]Nobody�[2J." in told
    assert "cccccccccccccccc stays but shows the same photograph" in told
