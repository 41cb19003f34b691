from benchmarks.evaluation_bootstrap import measure, table


def test_the_report_has_the_numbers_of_pycocotools() -> None:
    result = measure({"images": 20, "truths": 120, "detections": 300, "seed": 0}, resamples=20, repeat=1)

    assert result["difference"] < 1e-9
    assert all(one["low"] <= one["value"] <= one["high"] for one in result["intervals"])
    assert table(result).row_count == 2
