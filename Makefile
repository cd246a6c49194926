# One door. Every target works from a clean clone: what it needs is built or installed into .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUST := $(shell find rust benches tests -name '*.rs' 2>/dev/null) $(shell find rust -name Cargo.toml) Cargo.toml Cargo.lock
RATE ?= 20000
SYMBOLS ?= 500
SEED ?= 7

.PHONY: help tools build demo test test-full lint types bench docs clean

help:
	@echo "make demo       build, then a pretend US market with a live scanner on this screen; Ctrl-C ends"
	@echo "make test       every check: format, lints, types, stub, Rust, Python, examples"
	@echo "make test-full  the figures that take longer, each with its seed, into results/"
	@echo "make bench      the table of benchmarks, written to benches/record/"
	@echo "make build lint types docs clean"

tools:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed, and '$(PYTHON)' was not found: install it or set PYTHON=" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed, and '$(PYTHON)' is older: set PYTHON= to a newer one" >&2; exit 1; }
	@command -v cargo >/dev/null || { echo "A stable Rust toolchain is needed, and 'cargo' was not found: install Rust 1.85 or newer" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "A C compiler is needed to link, and 'cc' was not found: install gcc or clang" >&2; exit 1; }

# The development tools, once for each state of pyproject.toml.
$(VENV)/.dev: pyproject.toml | tools
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing tools into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install --quiet --group dev \
		$$($(BIN)/python -c 'import tomllib; print(*(f"\"{r}\"" for r in tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"]))' | tr -d '"')
	@touch $@

# The package, editable: Python from the tree, the native module built in release.
$(VENV)/.built: $(VENV)/.dev $(RUST)
	@echo "Building the native module (release) ..."
	@. $(BIN)/activate && maturin develop --release --quiet --skip-install 2>/dev/null || \
		(. $(BIN)/activate && maturin develop --release)
	@touch $@

build: $(VENV)/.built

demo: build
	@$(BIN)/ringtape demo --rate $(RATE) --symbols $(SYMBOLS) --seed $(SEED)

lint: $(VENV)/.dev
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: build
	$(BIN)/mypy
	$(BIN)/
clean:
	rm -rf target .venv results .pytest_cache .mypy_cache .ruff_cache
