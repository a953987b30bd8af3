"""Derived subjects: numbers made of columns that have no cells of their own, before they are folded.

What is made of texts is computed for each different text once, not for each row.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import TypeGuard

import numpy as np

from watchtower.nouns.batch import Codes, Column, FeatureType, Floats, Ints, NumberColumn, PredictionKind, TextColumn, VectorColumn
from watchtower.nouns.binning import PREDICTION, Derivation, Derived

WORDS = 65_536
"""Words of the reference that are known, the most frequent ones. With 32-bit hashes an unknown word passes for one of them once in 65,536."""

_WORD = re.compile(r"[^\W_]+")
_OF_TYPE: Mapping[FeatureType, tuple[Derivation, ...]] = {
    FeatureType.TEXT: (Derivation.LENGTH, Derivation.UNKNOWN_WORDS),
    FeatureType.EMBEDDING: (Derivation.NORM,),
}
_OF_PREDICTION: Mapping[PredictionKind, tuple[Derivation, ...]] = {
    PredictionKind.PROBABILITY: (Derivation.CONFIDENCE, Derivation.ENTROPY, Derivation.POSITIVE),
    PredictionKind.VECTOR: (Derivation.TOP_CLASS, Derivation.CONFIDENCE, Derivation.ENTROPY),
}
_NO_CLASS = -1
_NOTHING = np.iinfo(np.int64).max


def subject_of(source: str, how: Derivation) -> str:
    """How the derived subject is called: ``note.length``, ``prediction.confidence``; a vector prediction's class is the prediction."""
    return source if how is Derivation.TOP_CLASS else f"{source or 'prediction'}.{how.value}"


def derived_of_features(columns: Mapping[str, Column], types: Mapping[str, FeatureType]) -> dict[str, Derived]:
    """What is made of the texts and embeddings among the features, the words of the reference's *columns* frozen; a real feature's name is never taken."""
    found: dict[str, Derived] = {}
    for source, kind in types.items():
        for how in _OF_TYPE.get(kind, ()):
            subject = subject_of(source, how)
            if subject not in types:
                column = columns.get(source)
                words, rare, makers = _vocabulary(column if how is Derivation.UNKNOWN_WORDS and isinstance(column, TextColumn) else None)
                found[subject] = Derived(source, how, words, rare, makers=makers)
    return found


def derived_of_prediction(column: Column | None, kind: PredictionKind | None, taken: Iterable[str]) -> dict[str, Derived]:
    """What is made of probabilities and vectors; *taken* are the names of features."""
    logits = isinstance(column, VectorColumn) and bool((column.values < 0).any())
    names = set(taken)
    hows = () if kind is None or column is None else _OF_PREDICTION.get(kind, ())
    return {subject_of(PREDICTION, how): Derived(PREDICTION, how, logits=logits) for how in hows if subject_of(PREDICTION, how) not in names}


def derived_columns(derived: Mapping[str, Derived], widths: Mapping[str, int], columns: Mapping[str, Column], *, own: bool = False) -> dict[str, Column]:
    """The columns of the *derived* subjects whose source is among *columns* and of the right type and width.

    *own*: these rows made the binning (or it was made of a sample of them); words that it knows from a row alone are then unknown in that row, so
    that the reference's own share of unknown words is what further rows like it would have.
    """
    found = {subject: _made(each, columns.get(each.source), widths.get(each.source), own=own) for subject, each in derived.items()}
    return {subject: column for subject, column in found.items() if column is not None}


def _made(derived: Derived, column: Column | None, width: int | None, *, own: bool) -> Column | None:
    match derived.how:
        case Derivation.LENGTH:
            return _by_text(column, lambda texts: np.array([len(text) for text in texts], dtype=np.float64)) if isinstance(column, TextColumn) else None
        case Derivation.UNKNOWN_WORDS:
            return _by_text(column, lambda texts: _unknown_shares(texts, derived, own=own)) if isinstance(column, TextColumn) else None
        case Derivation.NORM:
            return NumberColumn(np.sqrt(np.einsum("ij,ij->i", column.values, column.values))) if _fits(column, width) else None
        case Derivation.TOP_CLASS:
            return _top_class(column, width) if isinstance(column, VectorColumn) else None
        case Derivation.CONFIDENCE | Derivation.ENTROPY | Derivation.POSITIVE:
            return _of_scores(derived, column, width)


# -------------------------------------------------------------------------------------------- texts


def words_in(text: str) -> list[str]:
    """Runs of letters and digits, case-folded."""
    return _WORD.findall(text.casefold())


def _hash(word: str) -> int:
    return int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=4).digest(), "little", signed=True)


def _hashes(words: Iterable[str]) -> Ints:
    return np.array([_hash(word) for word in words], dtype=np.int64)


def _vocabulary(column: TextColumn | None) -> tuple[Ints, Ints, Ints]:
    """Hashes of the words of all rows, at most :data:`WORDS`; of those of them that one row has; and of that row's text."""
    rows: Counter[str] = Counter()
    maker: dict[str, str] = {}
    if column is not None:
        counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.names)).tolist()
        for text, count in zip(column.names, counts, strict=True):
            for word in set(words_in(text)) if count else ():
                rows[word] += count
                maker[word] = text
    kept = sorted(rows.items(), key=lambda each: (-each[1], each[0]))[:WORDS]
    once = [word for word, count in kept if count == 1]
    several, one = _hashes(word for word, count in kept if count > 1), _hashes(once)
    rare, first = np.unique(one, return_index=True)
    alone = ~np.isin(rare, several)
    return np.union1d(several, one), rare[alone], _hashes(maker[word] for word in once)[first][alone]


def _by_text(column: TextColumn, values: Callable[[Sequence[str]], Floats]) -> NumberColumn:
    """One number a row, of *values* of the texts that occur."""
    if len(column.names) <= len(column.codes):
        return NumberColumn(np.append(values(column.names), np.nan)[column.codes])
    used, codes = np.unique(column.codes, return_inverse=True)
    found = values([column.names[code] for code in used.tolist() if code >= 0])
    return NumberColumn((np.concatenate([[np.nan], found]) if len(used) and used[0] < 0 else found)[codes])


def _unknown_shares(texts: Sequence[str], derived: Derived, *, own: bool) -> Floats:
    """Each text's share of words that the reference does not know, or if *own*, knows from this text alone; NaN where it has no words."""
    each = [words_in(text) for text in texts]
    different = list({word for words in each for word in words})
    hashes = _hashes(different)
    known = np.append(derived.words, _NOTHING)[np.searchsorted(derived.words, hashes)] == hashes
    unknown = {word for word, is_known in zip(different, known.tolist(), strict=True) if not is_known}
    shares = [sum(map(unknown.__contains__, words)) / len(words) if words else np.nan for words in each]
    if own and len(derived.rare):
        place = np.searchsorted(derived.rare, hashes)
        makers = np.where(np.append(derived.rare, _NOTHING)[place] == hashes, np.append(derived.makers, _NOTHING)[place], _NOTHING)
        maker = {word: by for word, by in zip(different, makers.tolist(), strict=True) if by != _NOTHING}
        shares = [share + _of_itself(text, words, maker) for share, text, words in zip(shares, texts, each, strict=True)]
    return np.array(shares, dtype=np.float64)


def _of_itself(text: str, words: Sequence[str], maker: Mapping[str, int]) -> float:
    """The share of *words* that only *text* itself brought into the reference."""
    makers = [maker[word] for word in words if word in maker]
    return makers.count(_hash(text)) / len(words) if makers else 0.0


# -------------------------------------------------------------------------------------------- embeddings and scores


def _fits(column: Column | None, width: int | None) -> TypeGuard[VectorColumn]:
    return isinstance(column, VectorColumn) and (width is None or column.values.shape[1] == width)


def _top_class(column: VectorColumn, width: int | None) -> TextColumn:
    """The position of each row's largest score; vectors of another width are type errors."""
    there = np.zeros(len(column.values), dtype=np.bool_)
    if column.values.shape[1]:
        there |= ~np.isnan(column.values).any(axis=1)
    if not _fits(column, width):
        return TextColumn(np.full(len(there), _NO_CLASS, dtype=np.int32), (), np.where(there, 1, 0 if column.bad is None else column.bad).astype(np.int8))
    codes: Codes = np.full(len(there), _NO_CLASS, dtype=np.int32)
    codes[there] = column.values[there].argmax(axis=1)
    return TextColumn(codes, tuple(str(i) for i in range(column.values.shape[1])), column.bad)


def _of_scores(derived: Derived, column: Column | None, width: int | None) -> Column | None:
    if isinstance(column, NumberColumn):
        with np.errstate(invalid="ignore"):
            p = np.where((column.values >= 0) & (column.values <= 1), column.values, np.nan)
        return NumberColumn(_of_probability(derived.how, p))
    if isinstance(column, VectorColumn) and _fits(column, width):
        shares = _shares(column.values, logits=derived.logits)
        return NumberColumn(shares.max(axis=1, initial=0.0) if derived.how is Derivation.CONFIDENCE else -_p_ln_p(shares).sum(axis=1))
    return None


def _of_probability(how: Derivation, p: Floats) -> Floats:
    if how is Derivation.CONFIDENCE:
        return np.maximum(p, 1 - p)
    if how is Derivation.POSITIVE:
        return np.where(np.isnan(p), np.nan, p >= 0.5)
    return -(_p_ln_p(p) + _p_ln_p(1 - p))


def _shares(scores: Floats, *, logits: bool) -> Floats:
    """Each row's shares; NaN where it is missing, or has no shares (a negative score, or none above 0)."""
    if not scores.shape[1]:
        return np.full((len(scores), 1), np.nan)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        weights = np.exp(scores - scores.max(axis=1, keepdims=True)) if logits else np.where(scores >= 0, scores, np.nan)
        total = weights.sum(axis=1, keepdims=True)
        return np.where((total > 0) & np.isfinite(total), weights / total, np.nan)


def _p_ln_p(p: Floats) -> Floats:
    """P ln p, 0 at 0; NaN stays."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(p == 0, 0.0, p * np.log(p))
