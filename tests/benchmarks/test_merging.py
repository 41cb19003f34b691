import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.merging import growth_table, main, measure_growth, measure_peers, table
from benchmarks.merging_data import Size, paths_in, write_datasets
from datasets.records import read_records

SIZE = Size(images=30, per_image=4, shared=10)


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write_datasets(tmp_path / name, SIZE)

    for one, other in zip(paths_in(tmp_path / "one"), paths_in(tmp_path / "other"), strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_the_files_share_images_and_no_other(tmp_path: Path) -> None:
    write_datasets(tmp_path, SIZE)

    first, second = (read_records(path) for path in paths_in(tmp_path))

    assert len(first.annotations) == len(second.annotations) == 120
    assert len({i.sha256 for i in first.images} & {i.sha256 for i in second.images}) == 10
    assert all([i.sha256 for i in file.images] == sorted(i.sha256 for i in file.images) for file in (first, second))


def test_every_peer_tells_its_time_its_memory_and_what_it_holds(tmp_path: Path) -> None:
    peers = ["carloop", "orjson", "json", "pycocotools"]

    result = measure_peers(tmp_path, SIZE, peers, repeat=2)

    assert list(result["peers"]) == peers
    for figures in result["peers"].values():
        assert 0 < figures["fastest"] <= figures["seconds"] <= figures["slowest"]
        assert 0 < figures["peak_gib"] < 1
        assert figures["times_orjson"]["least"] <= figures["times_orjson"]["greatest"]
    held = {peer: (figures["images"], figures["annotations"]) for peer, figures in result["peers"].items()}
    assert held["orjson"] == (60, 240)
    assert held["json"] == held["pycocotools"] == (50, 240)
    images, annotations = held["carloop"]
    assert images == 50
    assert 200 <= annotations < 240, "redrawn objects are one"
    assert table(result).row_count == len(peers)


def test_two_runs_of_the_merge_have_one_digest(tmp_path: Path) -> None:
    digests = [
        measure_peers(tmp_path / name, SIZE, ["carloop"], repeat=1)["peers"]["carloop"]["digest"]
        for name in ("one", "other")
    ]

    assert digests[0] == digests[1]
    assert len(digests[0]) == 64


def test_growth_tells_the_cost_of_an_annotation_at_each_size(tmp_path: Path) -> None:
    result = measure_growth(tmp_path, [SIZE, Size(images=60, per_image=4, shared=20)], repeat=1)

    assert [row["annotations"] for row in result["rows"]] == [240, 480]
    assert result["ratio"] == result["rows"][1]["microseconds"] / result["rows"][0]["microseconds"]
    assert growth_table(result).row_count == 2


def test_the_command_prints_json(tmp_path: Path) -> None:
    options = ["--images", "5", "--shared", "2", "--repeat", "1", "--peers", "", "--data", str(tmp_path), "--json"]

    done = CliRunner().invoke(main, options)

    assert done.exit_code == 0, done.output
    assert list(json.loads(done.stdout)["peers"]) == ["carloop"]


@pytest.mark.parametrize("options", [["--peers", "excel"], ["--images", "5", "--shared", "6"]])
def test_what_cannot_be_measured_is_refused(options: list[str]) -> None:
    assert CliRunner().invoke(main, options).exit_code == 2
