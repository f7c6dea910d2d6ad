"""Photos that come twice: with the same bytes, or with fingerprints that differ in few bits.

Not all pairs are compared, but those whose fingerprints are nearly equal in one of `BANDS` parts: of two fingerprints
that differ in few bits, one part differs in at most a `BANDS`-th of these bits. M. Norouzi, A. Punjani and D. J. Fleet,
"Fast exact search in Hamming space with multi-index hashing", IEEE TPAMI 36, 2014.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

BITS = 4
"""Most bits in which the fingerprints of photos that look nearly the same differ. Chosen on Oxford's validation
photographs: more bits find hardly any more of their recompressed, reduced or brightened copies, but more than twice as
many pairs of different photographs with each bit."""
FEWEST = 10
"""Fewest bits of either kind of a fingerprint that is compared. Those of plain pictures, a black one for example, have
fewer and say too little; none of 4,199 photographs has."""
BANDS = 3
"""Parts of a fingerprint. With 21 bits in each, a million fingerprints are spread over enough different parts."""
BAND_MASKS = tuple(np.uint64(sum(1 << bit for bit in range(band, 64, BANDS))) for band in range(BANDS))
"""The bits of each part. They lie apart, because fields of a photo that are neighbours are often alike."""
MOST_PARTNERS = 1000
"""Most fingerprints that one is compared with for one difference of a part. Only an archive of hundreds of thousands
of photos of one scene has more; then some pairs are not found, but their group is found by way of other photos."""
BLOCK = 2**20
"""Fingerprints whose partners are looked up at once."""
EDGES = 2**22
"""Pairs that are joined at once."""

Pairs = tuple[np.ndarray, np.ndarray]
"""Positions of the first and of the second of each pair."""


@dataclass(frozen=True)
class Groups:
    """Groups of photos, the largest group first. In a group, the photo with the most bytes is the first."""

    rows: np.ndarray
    """int64: the photos, group after group."""
    starts: np.ndarray
    """int64, shape (groups + 1,): where each group begins in ``rows``."""

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, group: int) -> np.ndarray:
        return self.rows[self.starts[group] : self.starts[group + 1]]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[group] for group in range(len(self)))

    def repeats(self) -> np.ndarray:
        """Return the photos that are not the first of their group."""
        return np.delete(self.rows, self.starts[:-1])


def same_bytes(contents: np.ndarray, has_content: np.ndarray, sizes: np.ndarray) -> Groups:
    """Return the groups of photos that have the same bytes.

    Args:
        contents: uint64, shape (photos,): a digest of each photo.
        has_content: bool, shape (photos,): whether it is known.
        sizes: int64, shape (photos,): in bytes.
    """
    rows = np.flatnonzero(has_content)
    return _groups(contents[rows], rows, sizes)


def nearly_same(fingerprints: np.ndarray, rows: np.ndarray, sizes: np.ndarray, most: int = BITS) -> Groups:
    """Return the groups of photos that look nearly the same: those that pairs with close fingerprints connect.

    Photos whose fingerprints say too little (`FEWEST`) are in no group.

    Args:
        fingerprints: uint64, shape (photos,).
        rows: int64: the photos to compare.
        sizes: int64, shape (photos,): in bytes.
        most: bits in which the fingerprints of a pair differ.
    """
    ones = np.bitwise_count(fingerprints[rows])
    rows = rows[(ones >= FEWEST) & (ones <= 64 - FEWEST)]
    values, places = np.unique(fingerprints[rows], return_inverse=True)
    return _groups(connected(len(values), close_pairs(values, most))[places], rows, sizes)


def close_pairs(values: np.ndarray, most: int = BITS) -> Iterator[Pairs]:
    """Yield the pairs of fingerprints that differ in at most ``most`` bits. A pair may come more than once.

    Args:
        values: uint64, shape (fingerprints,), all different.
        most: bits.
    """
    reach, rest = divmod(most, BANDS)
    for band, mask in enumerate(BAND_MASKS):
        # If the first parts all differ in more than `reach` bits, one of the others differs in fewer than `reach`.
        within = reach if band <= rest else reach - 1
        order = np.argsort(values & mask, kind="stable")
        ordered = values[order]
        parts = ordered & mask
        for flipped in _differences(mask, within):
            for start in range(0, len(parts), BLOCK):
                wanted = parts[start : start + BLOCK] ^ flipped
                # Each pair of different parts is taken from its smaller one.
                positions = np.flatnonzero(wanted >= parts[start : start + BLOCK])
                wanted, positions = wanted[positions], positions + start
                first = positions + 1 if flipped == 0 else np.searchsorted(parts, wanted, "left")
                end = np.searchsorted(parts, wanted, "right")
                for one, other in _close_in_ranges(ordered, positions, first, end, most):
                    yield order[one], order[other]


def _differences(mask: np.uint64, most: int) -> Iterator[np.uint64]:
    """Yield all ways to flip up to ``most`` bits of a part."""
    bits = [1 << bit for bit in range(64) if int(mask) >> bit & 1]
    for count in range(most + 1):
        for flipped in combinations(bits, count):
            yield np.uint64(sum(flipped))


def _close_in_ranges(
    values: np.ndarray, positions: np.ndarray, first: np.ndarray, end: np.ndarray, most: int
) -> Iterator[Pairs]:
    """Yield the close pairs of values at ``positions`` and of the values from ``first`` up to ``end``."""
    counts = np.minimum(end - first, MOST_PARTNERS)
    by_count = np.argsort(-counts, kind="stable")
    counts, positions, first = counts[by_count], positions[by_count], first[by_count]
    for step in range(counts.max(initial=0)):
        active = np.searchsorted(-counts, -step, "left")  # the counts in front of this position are above `step`
        one, other = positions[:active], first[:active] + step
        close = np.bitwise_count(values[one] ^ values[other]) <= most
        if close.any():
            yield one[close], other[close]


def connected(count: int, pairs: Iterable[Pairs]) -> np.ndarray:
    """Return the number of the connected component of each of ``count`` positions: int, shape (count,)."""
    # Imported here, because most uses of the command line need no scipy.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    components = np.arange(count)
    for one, other in _batches(pairs):
        edges = (np.ones(len(one), dtype=bool), (components[one], components[other]))
        components = connected_components(coo_array(edges, shape=(count, count)), directed=False)[1][components]
    return components


def _batches(pairs: Iterable[Pairs]) -> Iterator[Pairs]:
    ones, others, count = [], [], 0
    for one, other in pairs:
        ones.append(one)
        others.append(other)
        count += len(one)
        if count >= EDGES:
            yield np.concatenate(ones), np.concatenate(others)
            ones, others, count = [], [], 0
    if count:
        yield np.concatenate(ones), np.concatenate(others)


def _groups(keys: np.ndarray, rows: np.ndarray, sizes: np.ndarray) -> Groups:
    """Return the groups of the ``rows`` whose ``keys`` are equal."""
    order = np.lexsort((rows, -sizes[rows], keys))
    keys, rows = keys[order], rows[order]
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else np.empty(0, np.int64)
    counts = np.diff(np.append(starts, len(keys)))
    kept = counts > 1
    starts, counts = starts[kept], counts[kept]
    largest_first = np.lexsort((rows[starts], -counts))
    starts, counts = starts[largest_first], counts[largest_first]
    ends = np.cumsum(counts)
    places = np.repeat(starts - (ends - counts), counts) + np.arange(counts.sum())
    return Groups(rows[places], np.concatenate([[0], ends]))
