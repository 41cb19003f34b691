from benchmarks.evaluation import NAMES, measure, scores_table, table

SIZES = {"images": 20, "truths": 120, "detections": 300, "seed": 0}


def test_all_peers_give_the_same_scores() -> None:
    result = measure(SIZES, repeat=1)

    assert list(result["peers"]) == ["carloop", "faster-coco-eval", "pycocotools"]
    assert result["difference"] < 1e-9
    assert [len(result["scores"][peer]) for peer in result["peers"]] == [2, 12, 12]
    assert all(0.1 < score < 1 for score in result["scores"]["pycocotools"]), "neither perfect nor empty"
    for figures in result["peers"].values():
        assert 0 < figures["fastest"] <= figures["seconds"] <= figures["slowest"]
        assert 0 < figures["peak_gib"] < 4
    assert result["peers"]["pycocotools"]["times_pycocotools"]["median"] == 1
    assert table(result).row_count == 3
    assert scores_table(result).row_count == len(NAMES) == 12
