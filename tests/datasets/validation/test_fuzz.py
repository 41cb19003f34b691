"""Hostile files end in findings or in one sentence; benchmarks.fuzz_coco does the same with thousands, under limits."""

from pathlib import Path

import pytest

from benchmarks.fuzz_coco import try_file, write_images
from benchmarks.hostile import hostile_file
from datasets.validation.findings import Notes
from datasets.validation.validate import check_content

UNREADABLE = {"json-empty", "json-broken", "json-cut-short", "json-too-deep", "json-encoding"}


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools with numpy 2
def test_hostile_files_end_in_findings_or_in_one_sentence_and_repairs_keep_their_promises(tmp_path: Path) -> None:
    write_images(tmp_path)
    outcomes = {try_file(hostile_file(seed), tmp_path)[0] for seed in range(120)}
    assert {"found and repaired", "found, not repairable"} <= outcomes


REREAD = {("json-nan", ""), ("json-duplicate-key", "")}  # a key twice where nothing is read is only seen with patience


def findings(content: bytes) -> set[tuple[str, str]]:
    notes = Notes("file")
    check_content(content, notes)
    return {(finding.code, finding.place) for finding in notes.kept}


def test_a_file_that_has_to_be_read_with_patience_gets_the_same_findings() -> None:
    compared = 0
    for content in map(hostile_file, range(120)):
        quickly = findings(content)
        if content.startswith(b"{") and content.endswith(b"}") and not {code for code, _ in quickly} & UNREADABLE:
            patiently = findings(content[:-1] + b', "odd": NaN}')
            assert patiently - REREAD == quickly - REREAD
            compared += 1
    assert compared > 40


def test_the_same_seed_makes_the_same_file() -> None:
    assert [hostile_file(seed) for seed in range(20)] == [hostile_file(seed) for seed in range(20)]
