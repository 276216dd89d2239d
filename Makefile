# make run: set up and show what this machine's processes ask of its kernel. make test: set up and check everything.

VENV   := .venv
PYTHON ?= python3
BIN    := $(VENV)/bin
# A plain path, not an import hook: then `import tracerd` is the package also in a folder beside the checkout.
EDITABLE := --config-settings editable_mode=compat
NATIVE := $(wildcard tracerd/native/*.py tracerd/native/*/*.[ch]) setup.py pyproject.toml

.PHONY: setup setup-dev run test test-e2e test-wine lint bench fuzz soak probes probe-flags screenshot screenshots clean

setup: $(VENV)/.run-ready
setup-dev: $(VENV)/.dev-ready

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run-ready: $(VENV)/bin/python $(NATIVE)
	$(BIN)/pip install --quiet --disable-pip-version-check $(EDITABLE) -e .
	@touch $@

$(VENV)/.dev-ready: $(VENV)/.run-ready
	$(BIN)/pip install --quiet --disable-pip-version-check $(EDITABLE) -e '.[dev]'
	@touch $@

# Ends by itself after 20 s when nobody watches.
run: setup
	@if [ -t 1 ]; then exec $(BIN)/tracerd run; else exec $(BIN)/tracerd run -d 20; fi

lint: setup-dev
	@if git grep -nE '^(<{7}|>{7}) ' 2>/dev/null; then echo 'the above are left-overs of a merge'; exit 1; fi
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/pytest --ignore=tests/e2e --ignore=tests/wine

# Against rotel, VictoriaMetrics, Prometheus, a terminal (tmux) and a browser (Chromium): tests/e2e/install.sh gets them,
# and what is not there is skipped.
test-e2e: setup-dev
	$(BIN)/pytest -n 0 tests/e2e

# The core as a Windows executable (mingw-w64) under Wine, against the same on Linux, and what else needs that compiler:
# tests/wine/install.sh gets both, and where they are not there it is skipped.
test-wine: setup-dev
	$(BIN)/pytest -n 0 --timeout 600 tests/wine tests/native/test_windows_layouts.py \
		tests/native/test_session_numbers.py tests/native/test_compilers.py tests/sources/test_etw_structs.py

bench: setup
	$(BIN)/tracerd bench

# Longer than the tests: differential fuzzing of verifier, interpreter and JIT; recordings, .etl ones under sanitizers (clang).
fuzz: setup-dev
	$(BIN)/python -m tests.fuzz

# Twenty minutes of everything at once against a real daemon; needs root. The report is docs/soak.md.
soak: setup-dev
	$(BIN)/python -m tests.soak -s 1200 -o docs/soak.md

# Needs clang; the compiled objects are committed.
CLANG       ?= clang-19
LLVM_STRIP  ?= llvm-strip-19
PROBE_FLAGS := -target bpf -g -O2 -mcpu=v3 -Wall -Wextra -Wno-unused-function -Wno-unused-const-variable \
               -Wno-unused-parameter -I probes/include -fdebug-compilation-dir=. -fno-ident
OBJECTS     := $(patsubst %.bpf.c,%.bpf.o,$(wildcard probes/*/*.bpf.c tracerd/bench/programs/*.bpf.c tests/cli/objects/*.bpf.c tests/runtime/objects/*.bpf.c tests/sources/objects/*.bpf.c tests/wine/objects/*.bpf.c tests/daemon/objects/*.bpf.c tests/e2e/objects/*.bpf.c tests/platforms/objects/*.bpf.c))

probes: $(OBJECTS)
%.bpf.o: %.bpf.c $(wildcard probes/*/*.h)
	$(CLANG) $(PROBE_FLAGS) -c $< -o $@
	$(LLVM_STRIP) -g $@

probe-flags:
	@echo $(PROBE_FLAGS)

# docs/top*.svg: the dashboard over a recorded feed, the same on every run.
screenshots: setup-dev
	$(BIN)/python docs/screenshots.py

# docs/run.svg: a real run in a real terminal. Needs root and tmux.
screenshot: setup
	$(BIN)/python docs/screenshot.py

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -f tracerd/native/_core*.so tracerd/native/_core.c
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
