# make demo    the story on made-up loans; SEED=n, SCENARIO=data-drift, KEEP=1 (keeps running)
# make test    the tests (real servers are found or installed where they can be)
# make check   format, lint, types, floors
# make bench   the figures of docs/benchmarks.md, measured here
# make bench-detection, bench-verdict   false alarms, detection and a verdict's cost beside peers'; WATCHTOWER_PEERS=folder of their environments
# make bench-verdicts   how often a verdict is wrong, simulated (about ten minutes)
# make bench-shadow   what re-running versions costs beside a bare onnxruntime loop, on the GPU where there is one
# Each makes its own environment in .venv first, once.

.PHONY: demo test check bench bench-detection bench-verdict bench-verdicts bench-shadow env
BIN := .venv/bin

demo: .venv/.all
	@$(BIN)/watchtower demo $(if $(SEED),--seed $(SEED)) $(if $(SCENARIO),--scenario $(SCENARIO)) $(if $(KEEP),--keep)

test: .venv/.dev
	$(BIN)/python -m pytest -q

check: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.dev
	$(BIN)/python -m tests.benchmarks

bench-detection: .venv/.dev
	$(BIN)/python -m tests.benchmarks.detection

bench-verdict: .venv/.dev
	$(BIN)/python -m tests.benchmarks.verdict

bench-verdicts: .venv/.dev
	$(BIN)/python -m tests.benchmarks.verdicts

bench-shadow: .venv/.dev
	$(BIN)/python -m tests.benchmarks.shadow

env: .venv/.dev

.venv/.all: requirements/all.txt pyproject.toml
	@requirements/install all
	@touch $@

.venv/.dev: requirements/dev.txt pyproject.toml
	@requirements/install dev
	@touch .venv/.all $@
