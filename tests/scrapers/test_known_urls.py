"""The benchmark of known addresses, in small."""

from pathlib import Path

from benchmarks.known_urls import measure


def test_known_addresses_are_decided_without_a_server(tmp_path: Path) -> None:
    wrote, rates, cpu_rates = measure(tmp_path, number=600, runs=2)
    assert wrote > 0
    assert len(rates) == len(cpu_rates) == 2
    assert min(rates + cpu_rates) > 0
