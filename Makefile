# Two commands: `make book` and `make test`. CONTRIBUTING.md says more.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: book test test-exhaustive notebooks live lint bench offline readme

book: .venv/installed
	$(BIN)/jupyter-book build -n -W --keep-going .
	@echo "The book is built. Open _build/html/index.html in a browser."

# The book is built by the first test that reads it.
test: .venv/installed
	$(BIN)/python tools/browser.py
	$(BIN)/python -m pytest

test-exhaustive: .venv/installed
	$(BIN)/python tools/browser.py
	$(BIN)/python -m pytest -m exhaustive

notebooks: .venv/installed
	$(BIN)/python tools/refresh.py

live: .venv/installed
	$(BIN)/jupyter lab book/00_start.ipynb

bench: .venv/installed
	$(BIN)/pip install --disable-pip-version-check -r tools/benchmarks/requirements.txt
	$(BIN)/python tools/benchmarks/tracing.py
	$(BIN)/python tools/benchmarks/harmlessness.py
	$(BIN)/python tools/benchmarks/pages.py

offline: book
	$(BIN)/python tools/offline.py

readme: book
	$(BIN)/python tools/browser.py
	$(BIN)/python tools/readme.py

lint: .venv/installed
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

.venv/installed: requirements.txt pyproject.toml
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed: make PYTHON=python3.11 ...')"
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --disable-pip-version-check -r requirements.txt
	@touch $@
