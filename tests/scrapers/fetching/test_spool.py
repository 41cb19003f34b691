"""What the spool remembers: the last answers, whole or not at all, whatever lay in its files before."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from scrapers.fetching import Answer, spool
from scrapers.fetching.spool import Left, Spool, spool_paths


@pytest.fixture(autouse=True)
def short_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "REMEMBERED", 4)


def answers(number: int) -> Iterator[Answer]:
    """Each longer or shorter than the one that it may be written over."""
    for place in range(number):
        url = f"http://cars.example/{place}.jpg"
        yield Answer(url, url, 200, {"etag": str(place)}, bytes([place]) * (100 + 37 * place % 90), "allowed", 1)


@pytest.mark.parametrize("number", [0, 1, 4, 5, 7, 9, 11, 23])
def test_the_last_answers_are_remembered_as_they_were(number: int, tmp_path: Path) -> None:
    with closing(Spool(tmp_path, at_once=0)) as writer:
        for answer in answers(number):
            writer.keep(answer)
    with Left(tmp_path) as left:
        found = [left.take(answer.url) for answer in answers(number)]
    remembered = [answer for answer in found if answer]
    assert remembered == list(answers(number))[number - len(remembered) :]
    assert min(4, number) <= len(remembered) <= 8
    assert not list(tmp_path.iterdir())


def test_a_place_tells_where_the_content_is(tmp_path: Path) -> None:
    with closing(Spool(tmp_path, at_once=0)) as writer:
        for answer in answers(23):
            which, at = writer.keep(answer)
            with spool_paths(tmp_path)[which].open("rb") as file:
                file.seek(at)
                assert file.read(len(answer.content)) == answer.content


def test_what_a_failed_transfer_has_not_taken_stays_for_the_next_one(tmp_path: Path) -> None:
    with closing(Spool(tmp_path, at_once=0)) as writer:
        for answer in answers(3):
            writer.keep(answer)
    with pytest.raises(KeyboardInterrupt), Left(tmp_path):
        raise KeyboardInterrupt
    with Left(tmp_path) as left:
        assert [left.take(answer.url) for answer in answers(3)] == list(answers(3))
