"""`python -m tests.parity.peers EVIDENTLY NANNYML`: our numbers beside those of the same name of Evidently and NannyML, on the same seeded rows.

Both arguments are Python interpreters of environments that hold the peer; either may be `-`. To make them:

    python3.11 -m venv /tmp/peers/evidently && /tmp/peers/evidently/bin/pip install evidently==0.7.23
    python3.11 -m venv /tmp/peers/nannyml && /tmp/peers/nannyml/bin/pip install nannyml==0.13.1

They have environments of their own because they pin what others need newer. The table of docs/statistics.md was made with it. No test:
pytest does not collect it.
"""

import json
import math
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.figures import say, table
from tests.statistics.pairs import Values, pair
from watchtower.statistics import Statistic

Rows = NDArray[np.float64]

EVIDENTLY = """
import json, sys, warnings
import numpy as np, pandas as pd
warnings.simplefilter("ignore")
from evidently.legacy.calculations.stattests.registry import get_registered_stattest
from evidently.legacy.core import ColumnType
rows, asked = np.load(sys.argv[1]), json.loads(sys.argv[2])
found = {}
for case, kind, name in asked:
    sides = [pd.Series(rows[f"{case} {side}"]).dropna() for side in ("reference", "current")]  # as its report does
    if kind == "cat":
        sides = [each.astype(int).map("c{:04d}".format) for each in sides]
    column = ColumnType.Numerical if kind == "num" else ColumnType.Categorical
    try:
        found[f"{case} {name}"] = float(get_registered_stattest(name, column)(*sides, column, None).drift_score)
    except Exception as wrong:
        found[f"{case} {name}"] = type(wrong).__name__
print(json.dumps(found))
"""

NANNYML = """
import json, sys, warnings
import numpy as np, pandas as pd
warnings.simplefilter("ignore")
import nannyml
rows, asked = np.load(sys.argv[1]), json.loads(sys.argv[2])
found = {}
for case, kind, name in asked:
    sides = [pd.DataFrame({"x": rows[f"{case} {side}"]}) for side in ("reference", "current")]
    if kind == "cat":
        sides = [each.assign(x=each["x"].astype(int).map("c{:04d}".format)) for each in sides]
    methods = {"continuous_methods" if kind == "num" else "categorical_methods": [name]}
    try:
        made = nannyml.UnivariateDriftCalculator(column_names=["x"], chunk_size=len(sides[1]), **methods).fit(sides[0])
        found[f"{case} {name}"] = float(made.calculate(sides[1]).filter(period="analysis").to_df()[("x", name, "value")].iloc[0])
    except Exception as wrong:
        found[f"{case} {name}"] = type(wrong).__name__
print(json.dumps(found))
"""

COMPARED = (
    # case, kind, ours, which of our numbers, Evidently's name, NannyML's name
    ("normal +0.3 sd", "num", "psi", "value", "psi", None),
    ("uniform +0.2", "num", "psi", "value", "psi", None),
    ("lognormal x1.5", "num", "psi", "value", "psi", None),
    ("a new category of 2 %", "cat", "psi", "value", "psi", None),
    ("normal +0.3 sd", "num", "jensen_shannon", "value", "jensenshannon", "jensen_shannon"),
    ("lognormal x1.5", "num", "jensen_shannon", "value", "jensenshannon", "jensen_shannon"),
    ("zeros 70 % -> 60 %", "num", "jensen_shannon", "value", "jensenshannon", "jensen_shannon"),
    ("5 % nulls, new", "num", "jensen_shannon", "value", "jensenshannon", "jensen_shannon"),
    ("normal +0.3 sd", "num", "hellinger", "value", "hellinger", "hellinger"),
    ("five categories, 0.05 moved", "cat", "hellinger", "value", "hellinger", "hellinger"),
    ("normal +0.3 sd", "num", "wasserstein", "value", "wasserstein", "wasserstein"),
    ("lognormal x1.5", "num", "wasserstein", "value", "wasserstein", "wasserstein"),
    ("constant reference", "num", "wasserstein", "value", "wasserstein", "wasserstein"),
    ("normal +0.3 sd", "num", "kolmogorov_smirnov", "value", None, "kolmogorov_smirnov"),
    ("lognormal x1.5", "num", "kolmogorov_smirnov", "value", None, "kolmogorov_smirnov"),
    ("Cauchy x1.5", "num", "kolmogorov_smirnov", "value", None, "kolmogorov_smirnov"),
    ("normal, no drift", "num", "kolmogorov_smirnov", "p", "ks", None),
    ("five categories, no drift", "cat", "chi_square", "value", None, "chi2"),
    ("five categories, no drift", "cat", "chi_square", "p", "chisquare", None),
    ("a new category of 2 %", "cat", "chi_square", "p", "chisquare", None),
    ("five categories, 0.05 moved", "cat", "total_variation", "value", None, None),
    ("normal, no drift", "num", "cramer_von_mises", "p", "cramer_von_mises", None),
    ("normal, no drift", "num", "anderson_darling", "p", "anderson", None),
)


def cases() -> dict[str, tuple[Rows, Rows]]:
    """(reference, window) of 20,000 and 2,000 rows unless said otherwise; categories are numbered."""
    rng = np.random.default_rng(2026)
    normal, five = rng.normal(size=20_000), np.array([0.4, 0.3, 0.15, 0.1, 0.05])

    def drawn(n: int, *shares: float) -> Rows:
        return rng.choice(len(shares), n, p=np.array(shares) / sum(shares)).astype(np.float64)

    def zeros(n: int, share: float) -> Rows:
        return np.where(rng.random(n) < share, 0.0, rng.lognormal(0, 1, n))

    return {
        "normal +0.3 sd": (normal, rng.normal(0.3, 1, 2_000)),
        "normal, no drift": (normal, rng.normal(size=2_000)),
        "uniform +0.2": (rng.random(20_000), rng.random(2_000) + 0.2),
        "lognormal x1.5": (rng.lognormal(0, 2, 20_000), 1.5 * rng.lognormal(0, 2, 2_000)),
        "zeros 70 % -> 60 %": (zeros(20_000, 0.7), zeros(2_000, 0.6)),
        "5 % nulls, new": (normal, np.where(rng.random(2_000) < 0.05, np.nan, rng.normal(size=2_000))),
        "constant reference": (np.ones(20_000), rng.normal(1, 0.1, 2_000)),
        "five categories, no drift": (drawn(100_000, *five), drawn(100_000, *five)),
        "Cauchy x1.5": (rng.standard_cauchy(20_000), 1.5 * rng.standard_cauchy(2_000)),
        "five categories, 0.05 moved": (drawn(20_000, *five), drawn(2_000, 0.35, 0.35, 0.15, 0.1, 0.05)),
        "a new category of 2 %": (drawn(20_000, *five), drawn(2_000, *(0.98 * five), 0.02)),
    }


def ours(sides: tuple[Rows, Rows], kind: str, statistic: str, which: str) -> float | str:
    """Value or p-value, or the reason why there is none."""
    there, here = (_listed(each, kind) for each in sides)
    scores = Statistic.member(statistic)().score(pair(there, here))
    if scores.reasons[0] is not None:
        return scores.reasons[0]
    return float((scores.values if which == "value" else scores.p_values)[0])


def _listed(rows: Rows, kind: str) -> Values:
    return rows if kind == "num" else [f"c{int(value):04d}" for value in rows.tolist()]


def theirs(python: str, script: str, rows: Path, asked: list[tuple[str, str, str]]) -> Mapping[str, float | str]:
    """Case and name -> number, or the name of the exception."""
    if python == "-":
        return {}
    done = subprocess.run([python, "-c", script, str(rows), json.dumps(asked)], capture_output=True, text=True, check=True)
    found: dict[str, float | str] = json.loads(done.stdout.splitlines()[-1])
    return found


def shown(value: float | str | None) -> str:
    """Four figures."""
    if value is None:
        return ""
    return value if isinstance(value, str) else "NaN" if math.isnan(value) else f"{value:.4g}"


def main() -> int:
    """Prints the table."""
    if len(sys.argv) != 3:
        sys.stderr.write(f"{__doc__}\n")
        return 64
    made = cases()
    with tempfile.TemporaryDirectory(prefix="watchtower-peers-") as folder:
        rows = Path(folder) / "rows.npz"
        with zipfile.ZipFile(rows, "w") as file:  # as numpy.savez writes it, whose names are arguments
            for name, sides in made.items():
                for side, values in zip(("reference", "current"), sides, strict=True):
                    with file.open(f"{name} {side}.npy", "w") as entry:
                        np.lib.format.write_array(entry, values)
        evidently = theirs(sys.argv[1], EVIDENTLY, rows, [(case, kind, name) for case, kind, _, _, name, _ in COMPARED if name])
        nannyml = theirs(sys.argv[2], NANNYML, rows, [(case, kind, name) for case, kind, _, _, _, name in COMPARED if name])
    lines = [
        [f"{statistic}{', p' if which == 'p' else ''}", case, shown(ours(made[case], kind, statistic, which)), *_beside(case, one, other, evidently, nannyml)]
        for case, kind, statistic, which, one, other in COMPARED
    ]
    say(table(["number", "rows", "Watchtower", "Evidently", "NannyML"], lines))
    return 0


def _beside(case: str, one: str | None, other: str | None, evidently: Mapping[str, float | str], nannyml: Mapping[str, float | str]) -> list[str]:
    return [shown(evidently.get(f"{case} {one}")) if one else "", shown(nannyml.get(f"{case} {other}")) if other else ""]


if __name__ == "__main__":
    sys.exit(main())
