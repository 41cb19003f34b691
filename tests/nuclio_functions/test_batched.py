"""Many files in, pre-labels out: as the function answers, in any number, whatever is broken among them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from nuclio_functions.batched import annotate_files
from nuclio_functions.contract import Reply
from nuclio_functions.errors import FunctionError
from nuclio_functions.handler import prelabels
from training.bundle import read_bundle
from training.predictors import Classifier, Detector, decode_image, load_predictor


@pytest.fixture
def predictors(
    bundles: Path, publish_detector: Callable[..., Path], publish_classifier: Callable[[], Path]
) -> list[Detector | Classifier]:
    folders = (publish_detector(), publish_classifier())
    return [load_predictor(read_bundle(bundles, folder.name)) for folder in folders]


def write(folder: Path, contents: list[bytes | None]) -> list[tuple[int, Path]]:
    files = [(number, folder / f"{number}.jpg") for number in range(len(contents))]
    for (_, path), content in zip(files, contents, strict=True):
        if content is not None:
            path.write_bytes(content)
    return files


def test_every_file_gets_what_the_function_answers(
    predictors: list[Detector | Classifier], photo: bytes, tmp_path: Path
) -> None:
    found = dict(annotate_files(predictors, write(tmp_path, [photo] * 20)))
    expected = prelabels(predictors, decode_image(photo), threshold=None)
    assert [reply.type for reply in expected] == ["rectangle", "tag"]
    assert found == dict.fromkeys(range(20), tuple(expected))


def test_broken_and_missing_files_come_with_their_errors_and_the_rest_goes_on(
    predictors: list[Detector | Classifier], photo: bytes, tmp_path: Path
) -> None:
    contents = [photo, photo[: len(photo) // 2], None, b"<svg/>", photo]
    found = dict(annotate_files(predictors, write(tmp_path, contents)))
    failed = {key: str(replies) for key, replies in found.items() if isinstance(replies, FunctionError)}
    assert failed.keys() == {1, 2, 3}
    assert "2.jpg cannot be read: No such file or directory; restore the file" in failed[2]
    assert all(len(found[key]) == 2 for key in (0, 4))  # type: ignore[arg-type]


def test_only_broken_files_are_told_too(predictors: list[Detector | Classifier], tmp_path: Path) -> None:
    found = dict(annotate_files(predictors, write(tmp_path, [b"", None])))
    assert all(isinstance(replies, FunctionError) for replies in found.values())
    assert found.keys() == {0, 1}


def test_a_threshold_of_the_call_counts_before_the_model_s_own(
    predictors: list[Detector | Classifier], photo: bytes, tmp_path: Path
) -> None:
    ((_, replies),) = annotate_files(predictors, write(tmp_path, [photo]), threshold=0.88)
    assert not isinstance(replies, FunctionError)
    assert [reply.label for reply in replies] == ["dirty"]


def test_files_may_be_endless(predictors: list[Detector | Classifier], photo: bytes, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(photo)
    asked: list[int] = []

    def endless():
        while True:
            asked.append(len(asked))
            yield len(asked), path

    _, replies = next(annotate_files(predictors, endless()))
    assert isinstance(replies, tuple)
    assert isinstance(replies[0], Reply)
    assert len(asked) < 100
