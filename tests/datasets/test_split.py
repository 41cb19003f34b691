"""Splits: by family, and for ever."""

from hypothesis import given
from hypothesis import strategies as st

from datasets.split import SplitSettings, split_of, unit_hash

FAMILIES = st.lists(st.text(max_size=8), unique=True, max_size=20)


@given(old=FAMILIES, new=FAMILIES, seed=st.integers(0, 3))
def test_a_superset_never_moves_an_old_family(old: list[str], new: list[str], seed: int) -> None:
    before = {family: split_of(family, seed=seed, settings=SplitSettings()) for family in old}
    after = {family: split_of(family, seed=seed, settings=SplitSettings()) for family in [*new, *old]}
    assert before.items() <= after.items()


@given(family=st.text(), low=st.floats(0.01, 0.98), more=st.floats(0, 0.01))
def test_a_larger_test_fraction_takes_no_family_out_of_testing(family: str, low: float, more: float) -> None:
    if split_of(family, seed=0, settings=SplitSettings(test_fraction=low)) == "test":
        assert split_of(family, seed=0, settings=SplitSettings(test_fraction=low + more)) == "test"


def test_the_share_of_test_families_is_the_one_asked_for() -> None:
    sides = [split_of(f"car {n}", seed=0, settings=SplitSettings(test_fraction=0.2)) for n in range(5000)]
    assert 0.18 < sides.count("test") / len(sides) < 0.22


def test_another_seed_splits_otherwise() -> None:
    families = [f"car {n}" for n in range(50)]
    first, second = ([split_of(f, seed=seed, settings=SplitSettings()) for f in families] for seed in (0, 1))
    assert first != second


def test_the_hash_is_the_same_on_every_machine() -> None:
    assert round(unit_hash("car 1", seed=0), 9) == 0.982379878
