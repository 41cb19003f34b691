"""What the spool remembers: the last images that arrived, whole or not at all, whatever lay in its files before."""

import hashlib
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from datasets.stored_image import StoredImage
from scrapers.fetching import spool
from scrapers.fetching.answers import Answer
from scrapers.fetching.spool import Left, Spool


@pytest.fixture(autouse=True)
def short_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "REMEMBERED", 4)


def answers(number: int) -> Iterator[Answer]:
    """Each with a longer or shorter head than the one that it may be written over."""
    for place in range(number):
        url = f"http://cars.example/{place}.jpg"
        yield Answer(url, url, 200, {"etag": "x" * (37 * place % 90)}, bytes([place]) * 100, "allowed", 1)


def image(answer: Answer) -> StoredImage:
    sha256 = hashlib.sha256(answer.content).hexdigest()
    return StoredImage(sha256, f"images/{sha256}.jpg", 640, 480)


def keep(folder: Path, number: int) -> list[str]:
    """The files of so many."""
    folder.mkdir(exist_ok=True)
    with closing(Spool(folder, at_once=0)) as writer:
        return [writer.keep(answer, image(answer)) for answer in answers(number)]


@pytest.mark.parametrize("number", [0, 1, 4, 5, 7, 9, 11, 23])
def test_the_last_images_are_remembered_as_they_were(number: int, tmp_path: Path) -> None:
    keep(tmp_path, number)
    with Left(tmp_path) as left:
        found = [(answer, left.take(answer.url)) for answer in answers(number)]
        remembered = [(answer, taken) for answer, taken in found if taken]
        for answer, (bare, what, path) in remembered:
            assert (bare, what, Path(path).read_bytes()) == (answer.bare, image(answer), answer.content)
    assert [answer for answer, _ in remembered] == list(answers(number))[number - len(remembered) :]
    assert min(4, number) <= len(remembered) <= 8
    assert len(list(tmp_path.iterdir())) == len(remembered)


def test_what_lies_behind_the_last_whole_record_is_not_taken_for_a_length(tmp_path: Path) -> None:
    keep(tmp_path, 1)
    log = max(tmp_path.glob("arrived.*"), key=lambda path: path.stat().st_size)
    log.write_bytes(log.read_bytes() + b"\x7fhttp://cars.example/")
    tracemalloc.start()
    with Left(tmp_path) as left:
        assert [left.take(answer.url) is not None for answer in answers(2)] == [True, False]
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 2**20


def test_a_log_has_nothing_of_earlier_turns(tmp_path: Path) -> None:
    keep(tmp_path, 11)
    logs = b"".join(path.read_bytes() for path in tmp_path.glob("arrived.*"))
    assert [f"/{place}.jpg".encode() in logs for place in range(11)] == [False] * 4 + [True] * 7


def test_an_image_that_was_moved_to_its_place_is_found_there(tmp_path: Path) -> None:
    (path,) = keep(tmp_path / "spool", 1)
    place = Path(path).rename(tmp_path / "place")
    (answer,) = answers(1)
    with Left(tmp_path / "spool", {image(answer).file_name: place}.get) as left:
        taken = left.take(answer.url)
    assert taken
    assert Path(taken[2]).read_bytes() == place.read_bytes() == answer.content


def test_what_is_not_taken_is_removed_with_its_images(tmp_path: Path) -> None:
    keep(tmp_path, 3)
    with Left(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_what_a_failed_transfer_has_not_taken_stays_for_the_next_one(tmp_path: Path) -> None:
    keep(tmp_path, 3)
    with pytest.raises(KeyboardInterrupt), Left(tmp_path):
        raise KeyboardInterrupt
    with Left(tmp_path) as left:
        assert all(left.take(answer.url) for answer in answers(3))
