"""Random seeds of a run."""

from itertools import product

from finetune.run.random_seeds import Use, derived_seed


def test_every_use_has_a_seed_of_its_own() -> None:
    uses: tuple[Use, ...] = ("network", "order", "view", "window", "mixing")
    # 2³² would be one more number for numpy's SeedSequence, and a missing number the same as 0.
    numbers = [(), *product((0, 1, 2, 2**32), repeat=1), *product((0, 1, 2, 2**32), repeat=2)]
    seeds = [derived_seed(seed, use, *path) for seed in (0, 1, 2**32, 2**62) for use in uses for path in numbers]
    assert len(set(seeds)) == len(seeds)
    assert 0 <= min(seeds) <= max(seeds) < 2**63
