"""Client or server killed at a request: the same command ends as if nothing had happened."""

from pathlib import Path

import pytest

from benchmarks.cvat_kills import draw_kills, kill_and_finish, measure


def test_a_round_ends_the_same_when_client_or_server_is_killed_at_a_request(cvat_server, tmp_path: Path) -> None:
    expected, requests = measure(cvat_server, tmp_path / "undisturbed")
    assert (expected["projects"], len(expected["pulls"]), len(expected["fates"])) == (1, 4, 24)
    for kill in draw_kills(2, requests=requests, seed=3):
        outcome = kill_and_finish(cvat_server, tmp_path / f"{kill.victim}-{kill.request}", kill, expected)
        assert outcome.path, "the kill came too late"
        assert outcome.differing == []


@pytest.mark.parametrize("count", [1, 2, 20])
def test_kills_are_spread_over_the_whole_run_and_seeded(count: int) -> None:
    kills = draw_kills(count, requests=100, seed=1)
    assert kills == draw_kills(count, requests=100, seed=1)
    assert [kill.request // (100 // count) for kill in kills] == list(range(count))
