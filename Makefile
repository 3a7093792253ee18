# make demo    set up, play the flash crash, print a verdict and the path of the report
# make test    set up, then lint, format, types, imports and the test suite
# make bench   speed, as ratios measured side by side in one run; `make bench-full` also installs the rivals and takes an hour
# make nightly every scenario and study at default size, the tests that take too long for each commit, and `make repeat`; resumes
# make repeat  the randomised tests and those of processes, 50 times: not one may fail now and then; resumes
# make mutation  change the statistics and the lab at 200 places drawn at random, and see which changes no test notices (15 minutes; resumes)
# make format  rewrite the sources as `make test` wants them
# make golden  accept today's results as the expected ones (look at the difference before you commit it)
# make lock    resolve the dependencies anew (needs the network)
# make clean   remove the virtual environment and every cache; results/ is left alone

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq --no-input
LOCK := $(BIN)/uv pip compile pyproject.toml --group build --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header --quiet --upgrade

.PHONY: demo test bench bench-full nightly repeat mutation format golden lock clean
.DELETE_ON_ERROR:

demo: $(VENV)/.ready
	@$(BIN)/simlab run flash_crash

test: $(VENV)/.ready-test
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/pytest -n auto --dist worksteal

bench: $(VENV)/.ready-test
	@$(BIN)/python -m tests.bench

bench-full: $(VENV)/.ready-bench
	@$(BIN)/python -m tests.bench --full

nightly: $(VENV)/.ready-test
	@$(BIN)/python -m tests.nightly

repeat: $(VENV)/.ready-test
	@$(BIN)/python -m tests.nightly repeats

mutation: $(VENV)/.ready-test
	@$(BIN)/python -m tests.mutation

format: $(VENV)/.ready-test
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format .

golden: $(VENV)/.ready-test
	@$(BIN)/python -m tests.golden --accept

# Stamps: the second call is instant, and a changed lock or pyproject.toml installs again.
# The project itself is installed in place, with the build backend from the lock. Byte-compiling on
# all cores and without the packages' own tests takes a third off a cold start.
$(VENV)/.ready: requirements.lock pyproject.toml | $(BIN)/pip
	@echo "Installing simlab into $(VENV) ..."
	@$(PIP) install --no-compile --require-hashes --only-binary :all: -r requirements.lock
	@$(BIN)/python -m compileall -q -j 0 -x '/tests?/' $(VENV)/lib || :
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.ready-test: requirements-test.lock $(VENV)/.ready
	@echo "Installing the test tools into $(VENV) ..."
	@$(PIP) install --require-hashes --only-binary :all: -r requirements-test.lock
	@touch $@

$(VENV)/.ready-bench: requirements-bench.lock $(VENV)/.ready-test
	@echo "Installing the benchmarks' rivals into $(VENV) ..."
	@$(PIP) install --require-hashes --only-binary :all: -r requirements-bench.lock
	@touch $@

# Asked before anything is created: a venv without ensurepip leaves half a directory behind.
$(BIN)/pip:
	@command -v $(PYTHON) >/dev/null || { echo "simlab needs Python 3.11 or newer: sudo apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; v >= (3, 11) or sys.exit("simlab needs Python 3.11 or newer, and $(PYTHON) is %d.%d: try make PYTHON=python3.11" % v)'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { $(PYTHON) -c 'import sys; sys.exit("simlab needs the venv module: sudo apt-get install python%d.%d-venv" % sys.version_info[:2])'; }
	@$(PYTHON) -m venv $(VENV)

lock: $(VENV)/.ready
	@$(PIP) install uv
	@$(LOCK) --output-file requirements.lock
	@$(LOCK) --extra test --constraints requirements.lock --output-file requirements-test.lock
	@$(LOCK) --extra test --extra bench --constraints requirements-test.lock --output-file requirements-bench.lock

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis mutants dist build
	find simlab tests -name __pycache__ -type d -prune -exec rm -rf {} +
