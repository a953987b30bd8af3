"""The frozen cells that a model's values are counted in. Made once, from the reference only."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b

import numpy as np

from watchtower.nouns.batch import FeatureType, Floats, Ints

PREDICTION = ""
"""The prediction's subject: it is folded and scored like a feature without a name."""


@dataclass(frozen=True, slots=True, eq=False)
class NumericBins:
    """Cells of a numeric subject: ``[inside 0 … inside m-1, below, above, missing]``, m + 3 in all.

    Attributes:
        edges: float64[m + 1], ascending; inside cell i holds ``edges[i] <= x < edges[i + 1]``, the last one also
            ``x == edges[m]``. ``edges[0]`` is the reference's smallest and ``edges[m]`` its largest value (unless edges were
            given by hand); a value with more than 1/64 of the mass has a cell of its own (``[v, nextafter(v))``).
        single: bool[m], the cell holds one single value.
        mean, sd: of the reference's finite values (population sd); the mean is also the centre of the moments.
        by_hand: the edges were given by an operator.
    """

    edges: Floats
    single: Floats
    mean: float
    sd: float
    by_hand: bool = False

    @property
    def inside(self) -> int:
        """How many inside cells."""
        return len(self.edges) - 1

    @property
    def size(self) -> int:
        """How many cells in all."""
        return len(self.edges) + 2


def digest_of(name: str) -> str:
    """What is stored of *name* under `keep: hash`: 64 bits of its BLAKE2b. Whoever can list the names can find it out; nobody can read it."""
    return "#" + blake2b(name.encode(errors="surrogatepass"), digest_size=8).hexdigest()


class Hashed(Mapping[str, int]):
    """By digests, asked for names."""

    def __init__(self, by_digest: Mapping[str, int]) -> None:
        self._known = by_digest

    def __getitem__(self, name: str) -> int:
        """KeyError where it is not known."""
        return self._known[digest_of(name)]

    def __iter__(self) -> Iterator[str]:
        """The digests: the names are not there any more."""
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


@dataclass(frozen=True, slots=True, eq=False)
class CategoryBins:
    """Cells of a categorical subject: ``[category 0 … k-1, other, unseen, missing]``, k + 3 in all.

    *names* are the reference's categories by mass, at most 1,000; *others* are the reference's further categories, which
    share the cell *other*; whatever the reference never had is *unseen*. Where they are *hashed* (`keep: hash`) they hold
    digests, and *index* is still asked for the names as they are logged.
    """

    names: tuple[str, ...]
    others: frozenset[str] = frozenset()
    hashed: bool = False
    index: Mapping[str, int] = field(init=False, repr=False)
    """Category -> its cell; whatever is not in it is *unseen*."""

    def __post_init__(self) -> None:
        known = dict.fromkeys(self.others, len(self.names)) | {name: i for i, name in enumerate(self.names)}
        object.__setattr__(self, "index", Hashed(known) if self.hashed else known)

    @property
    def size(self) -> int:
        """How many cells in all."""
        return len(self.names) + 3


Bins = NumericBins | CategoryBins


class Derivation(StrEnum):
    """What a derived subject's values are, made of the values of its source."""

    LENGTH = "length"
    """Of a text: characters."""
    UNKNOWN_WORDS = "unknown_words"
    """Of a text: share of its words that the reference never had; missing where it has no words."""
    NORM = "norm"
    """Of an embedding: its Euclidean length."""
    TOP_CLASS = "top_class"
    """Of a vector prediction: the position of its largest score, as a text."""
    CONFIDENCE = "confidence"
    """Of a probability: max(p, 1 - p); of a vector: its largest share."""
    ENTROPY = "entropy"
    """Of a probability or a vector of shares: -Σ p ln p, in nats."""
    POSITIVE = "positive"
    """Of a probability: 1 where it is at least ½, else 0."""


@dataclass(frozen=True, slots=True, eq=False)
class Derived:
    """A subject whose values are made of another column's, before they are folded.

    Attributes:
        source: the column that it is made of.
        how: what is made of it.
        words: ascending 32-bit hashes of the words that the reference had; rare: of those of them that only one of its rows had; makers: for each
            of these the hash of that row's text.
        logits: a vector's scores are made shares by softmax; else by dividing them by their sum.
    """

    source: str
    how: Derivation
    words: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    rare: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    logits: bool = False
    makers: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class Binning:
    """A model's cells, one subject after the other, with an id; profiles with different ids never merge.

    Attributes:
        id: a digest of the content.
        subjects: features in the order of the settings, those derived of them, then :data:`PREDICTION` where the reference has predictions,
            and those derived of it.
        types: how each subject is folded (the frozen catalog).
        bins: each subject's cells.
        offsets: int[len(subjects) + 1]; subject i owns ``cells[offsets[i]:offsets[i + 1]]`` of a profile.
        segments: segment column -> its frozen values (everything else is ``other``).
        derived: subject -> what it is made of; a vector prediction's own subject (its class) is derived too.
        widths: embedding or vector prediction -> the numbers in each of the reference's; others are type errors.
    """

    id: str
    subjects: tuple[str, ...]
    types: tuple[FeatureType, ...]
    bins: tuple[Bins, ...]
    offsets: tuple[int, ...]
    segments: Mapping[str, tuple[str, ...]]
    derived: Mapping[str, Derived] = field(default_factory=dict)
    widths: Mapping[str, int] = field(default_factory=dict)

    def is_feature(self, subject: str) -> bool:
        """Whether *subject* is a column of its own among the features: neither derived nor the prediction."""
        return subject != PREDICTION and subject not in self.derived

    def is_of_prediction(self, subject: str) -> bool:
        """Whether *subject* is the prediction, or derived of it."""
        return subject == PREDICTION or (subject in self.derived and self.derived[subject].source == PREDICTION)

    @property
    def size(self) -> int:
        """Cells in all."""
        return self.offsets[-1]
