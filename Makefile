# One door. Every target works from a clean clone: what it needs is built or installed into .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUST := $(shell find rust -path rust/fuzz -prune -o \( -name '*.rs' -o -name '*.pyx' -o -name Cargo.toml \) -print) Cargo.toml Cargo.lock
RATE ?= 20000
SYMBOLS ?= 500
SEED ?= 7
FUZZ_SECONDS ?= 60
NUMBERS ?= 1e9

.PHONY: help tools build demo test test-rust test-python test-full lint types loom stress tsan bench bench-sockets fuzz soak docs clean
.DELETE_ON_ERROR:

help:
	@echo "make demo       build, then a pretend US market with a live scanner on this screen; Ctrl-C ends"
	@echo "                RATE=20000 (events a second)  SYMBOLS=500  SEED=7"
	@echo "make test       every check: format, lints, types, stub, Rust, Python, examples"
	@echo "make test-full  the same with the issue's figures in full, seeds printed, into results/"
	@echo "make bench      the table of benchmarks, written to benches/record/"
	@echo "make bench-sockets  from the socket to the rings, with and without TLS, about fifteen minutes"
	@echo "make fuzz       libFuzzer on the decoders, FUZZ_SECONDS=60 for each target"
	@echo "make loom       small writers and readers of the rings in every order, LOOM_MAX_PREEMPTIONS=3"
	@echo "make stress     a writer and four readers of the rings at full speed, RINGTAPE_RECORDS=1e8"
	@echo "make tsan       the same under ThreadSanitizer, RINGTAPE_RECORDS=2e6"
	@echo "make soak       NUMBERS=1e9 doubles against the standard parser; RINGTAPE_CYCLES=10000 reconnects, RINGTAPE_DAYS=7"
	@echo "make build      the package, editable, in .venv"
	@echo "make lint       formatting and lints         make types   mypy and the stub"
	@echo "make docs       pages that are generated     make clean   remove what was built"

tools:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed, and '$(PYTHON)' was not found: install it or set PYTHON=" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed, and '$(PYTHON)' is older: set PYTHON= to a newer one" >&2; exit 1; }
	@command -v cargo >/dev/null || { echo "A stable Rust toolchain is needed, and 'cargo' was not found: install Rust 1.89 or newer" >&2; exit 1; }
	@cargo --version | $(PYTHON) -c 'import sys; sys.exit(tuple(map(int, sys.stdin.read().split()[1].split(".")[:2])) < (1, 89))' || { echo "Rust 1.89 or newer is needed, and 'cargo' is older: run 'rustup update stable'" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "A C compiler is needed to link, and 'cc' was not found: install gcc or clang" >&2; exit 1; }

# The development tools, once for each state of pyproject.toml. Older pips cannot read dependency groups.
$(VENV)/.dev: pyproject.toml | tools
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || { echo "'$(PYTHON) -m venv' failed: install Python's venv module (python3-venv)" >&2; exit 1; }
	@echo "Installing tools into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install --quiet --group dev
	@touch $@

# The package, editable: Python from the tree, the native module built in release, dependencies of pyproject.toml.
$(VENV)/.built: $(VENV)/.dev $(RUST)
	@echo "Building the native module (release) ..."
	@PIP_QUIET=1 VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/maturin develop --release --quiet
	@touch $@

build: $(VENV)/.built

demo: build
	@$(BIN)/ringtape demo --rate $(RATE) --symbols $(SYMBOLS) --seed $(SEED)

test: lint types test-rust loom test-python

lint: $(VENV)/.dev
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	@PYO3_PYTHON=$(CURDIR)/$(BIN)/python cargo clippy --package ringtape-py --features listener,extension-module --quiet -- -D warnings
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: build
	$(BIN)/mypy
	$(BIN)/stubtest ringtape._native

test-rust: export PROPTEST_CASES ?= 1000
test-rust: | tools
	cargo test --workspace --profile checked --quiet

# The rings over loom's atomics: models that hold in every order, and wrong twins that have to fail.
loom: export RUSTFLAGS := --cfg loom -Dwarnings
loom: export LOOM_MAX_PREEMPTIONS ?= 3
loom: | tools
	cargo test --package ringtape-ring --test loom --profile checked --target-dir target/loom --quiet -- $(if $(RINGTAPE_FULL),--show-output)

stress: export RINGTAPE_RECORDS ?= 1e8
stress: | tools
	cargo test --package ringtape-ring --test stress --profile checked --quiet

# A stable toolchain has ThreadSanitizer behind flags that it opens for its own library only. First a race that it has to
# see. std is not built for it, which takes sources that a toolchain need not have: see tests/stress.rs on what that forbids.
TSAN = RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer" cargo test --quiet \
	--package ringtape-ring --test stress --profile checked --target $(HOST) --target-dir target/tsan
tsan: export RINGTAPE_RECORDS ?= 2e6
tsan: | tools
	@if ! ls "$$(rustc --print target-libdir)"/librustc*tsan* >/dev/null 2>&1; then \
		echo "This Rust toolchain comes without ThreadSanitizer, so nothing was checked"; \
	elif $(TSAN) --no-run && ! TSAN_OPTIONS=halt_on_error=1 RINGTAPE_RACE=1 $(TSAN) 2>&1 | grep -q "ThreadSanitizer: data race"; then \
		echo "ThreadSanitizer does not see a race that is there" >&2; exit 1; \
	else $(TSAN); fi

test-python: build
	$(BIN)/pytest -q

# Everything again with more cases; commit, machine and seeds stand at the head of the results.
test-full: export RINGTAPE_FULL = 1
test-full: export PROPTEST_CASES ?= 20000
test-full: export PROPTEST_RNG_SEED ?= $(SEED)
test-full: export RINGTAPE_SEED ?= $(SEED)
test-full: export RINGTAPE_RECORDS ?= 1e8
test-full: lint types
	@mkdir -p results
	@echo "$$(git rev-parse --short HEAD), $$(date -u +%FT%TZ), $$(uname -srm), $$(rustc --version)," \
		"PROPTEST_CASES=$$PROPTEST_CASES PROPTEST_RNG_SEED=$$PROPTEST_RNG_SEED RINGTAPE_SEED=$$RINGTAPE_SEED" | tee results/rust.txt
	@bash -o pipefail -c 'cargo test --workspace --profile checked 2>&1 | tee -a results/rust.txt'
	@bash -o pipefail -c '$(MAKE) --no-print-directory loom LOOM_MAX_PREEMPTIONS=4 2>&1 | tee -a results/rust.txt'
	@bash -o pipefail -c '$(MAKE) --no-print-directory tsan RINGTAPE_RECORDS=5e6 2>&1 | tee -a results/rust.txt'
	@echo "$$(git rev-parse --short HEAD), $$(date -u +%FT%TZ), $$(uname -srm), $$($(BIN)/python --version)," \
		"hypothesis: 5,000 examples, seed $(SEED)" | tee results/python.txt
	@bash -o pipefail -c '$(BIN)/pytest -v --hypothesis-seed=$(SEED) --hypothesis-show-statistics 2>&1 | tee -a results/python.txt'

# Rust rooms, single calls from Python, and the comparison, which builds its own two programs. The record of all three is
# benches/record/<date>-<commit>.md.
bench: build
	@$(BIN)/python -m pip install --quiet --group bench
	@mkdir -p results
	@bash -o pipefail -c 'cargo bench --quiet --bench rooms | tee results/rooms.txt'
	$(BIN)/pytest -q benches/python/bench_engine.py --benchmark-enable --benchmark-only --benchmark-columns=median,iqr,rounds \
		--benchmark-warmup=on --benchmark-json=results/suites.json
	$(BIN)/python benches/python/table.py --rooms results/rooms.txt --suites results/suites.json

# From the socket to the rings, with and without TLS: a sender, and each contestant in a process of its own.
bench-sockets: build
	@$(BIN)/python -m pip install --quiet --group bench
	$(BIN)/python benches/python/sockets.py

# libFuzzer on a stable toolchain: coverage by a pass that LLVM has anyway, libFuzzer itself compiled by `cc`. What is found
# goes to rust/fuzz/artifacts; as a frame without its first byte it belongs into tests/fixtures/regressions/<venue>.
FUZZ := massive binance number skip
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
FUZZ_FLAGS := --cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
	-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
	-Cllvm-args=-sanitizer-coverage-trace-compares
fuzz: | tools
	@command -v c++ >/dev/null || { echo "A C++ compiler is needed for libFuzzer, and 'c++' was not found: install g++ or clang" >&2; exit 1; }
	@cd rust/fuzz && RUSTFLAGS="$(FUZZ_FLAGS)" cargo build --quiet --release --target $(HOST)
	@$(PYTHON) rust/fuzz/seeds.py rust/fuzz/corpus
	@mkdir -p results
	@echo "$$(git rev-parse --short HEAD), $$(date -u +%FT%TZ), $$(uname -srm), $$(rustc --version)" | tee results/fuzz.txt
	@for target in $(FUZZ); do \
		mkdir -p rust/fuzz/artifacts/$$target; \
		rust/fuzz/target/$(HOST)/release/$$target -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 \
			-dict=rust/fuzz/json.dict -artifact_prefix=rust/fuzz/artifacts/$$target/ \
			rust/fuzz/corpus/$$target >results/fuzz-$$target.txt 2>&1 || { tail -40 results/fuzz-$$target.txt; exit 1; }; \
		echo "$$target: $$(sed -n 's/^stat::number_of_executed_units: *//p' results/fuzz-$$target.txt) executions" \
			| tee -a results/fuzz.txt; \
	done

soak: export RINGTAPE_NUMBERS = $(NUMBERS)
soak: export RINGTAPE_CYCLES ?= 10000
soak: export RINGTAPE_DAYS ?= 7
soak: export RINGTAPE_SEED ?= $(SEED)
soak: build
	cargo test --profile checked --test strict -- --nocapture doubles
	$(BIN)/pytest -q -rP tests/python/virtual

docs: build
	$(BIN)/python python/docs/generate.py

clean:
	rm -rf target rust/fuzz/target rust/fuzz/corpus rust/fuzz/artifacts $(VENV) results .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks python/ringtape/_native*.so
