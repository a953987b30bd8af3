"""The bench's own arithmetic."""

import numpy as np
import pytest

from tests.benchmarks import detection
from tests.benchmarks import detection_cases as cases
from tests.benchmarks.detection_ours import columns, folded, judged, rules
from tests.benchmarks.peers.plain_psi import PlainPsi
from tests.benchmarks.peers.run import kept
from watchtower.core.binning import fold_columns


def test_wilson_intervals_are_those_of_the_textbook() -> None:
    assert detection.wilson((0, 1_000)) == pytest.approx((0.0, 0.0038269), abs=1e-6)
    assert detection.wilson((8, 10)) == pytest.approx((0.4901625, 0.9433178), abs=1e-6)


@pytest.mark.parametrize("case", cases.CASES, ids=lambda case: str(case.name))
def test_a_window_is_the_same_each_time_and_drifts_only_where_it_says(case: cases.Case) -> None:
    table, drifted = cases.windowed(case, 7, 200)
    again, _ = cases.windowed(case, 7, 200)
    assert set(table) == {*cases.NUMBERS, *cases.CATEGORIES}
    assert all(np.array_equal(table[name], again[name], equal_nan=True) for name in table)
    assert bool(drifted) is not case.quiet
    assert set(drifted) <= set(table)


def test_pieces_of_a_window_add_up_to_the_window() -> None:
    case = cases.BY_NAME["no drift, 10,000 rows"]
    window = next(iter(folded(case, [3])))
    table = cases.windowed(case, 3)[0]
    halves = [fold_columns(window.binning, columns({name: each[part] for name, each in table.items()}), 5_000) for part in (slice(5_000), slice(5_000, None))]
    assert np.array_equal(halves[0][0] + halves[1][0], window.window.cells)


def test_a_large_shift_is_found_by_both_files_and_a_small_one_by_the_sensitive_one() -> None:
    for name, found in (
        ("1 of 50 shifted by 1 sd", {"default.yaml": {"n03"}, "sensitive.yaml": {"n03"}}),
        ("1 of 50 shifted by 0.1 sd", {"sensitive.yaml": {"n03"}}),
    ):
        case = cases.BY_NAME[name]
        verdict = judged(next(iter(folded(case, [3]))), rules(case))
        assert {file: each for file, each in verdict.found.items() if each} == found
        assert verdict.without == 0


def test_a_tuned_peer_is_quiet_in_all_its_quiet_windows() -> None:
    case, peer = cases.BY_NAME["no drift, 100 rows"], PlainPsi()
    peer.fit(cases.reference(case, 0)[1], case.rows)
    windows = [kept(peer.score(cases.windowed(case, number)[0]), ()) for number in range(5)]
    assert all(window[1] for window in windows)
    told: detection.Results = {each.name: {"windows": windows if each == case else []} for each in cases.CASES}
    judge = detection.tuned(told, case)
    assert not any(judge(window)[1] for window in windows)
