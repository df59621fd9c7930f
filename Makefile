# make help lists the targets. Everything happens in .venv, which the first target that needs it builds.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= ../shared
export OMP_NUM_THREADS := 1

.DEFAULT_GOAL := help
.PHONY: help demo setup test lint types floors check cover bench model acceptance clean

help: ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1	\2/' | expand -t 20

$(BIN)/newsfilter: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/dev: $(BIN)/newsfilter constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

setup: $(VENV)/dev ## build .venv with all that development needs

demo: $(BIN)/newsfilter ## clean fixtures/dump into demo-out/ and show what was kept and removed
	$(BIN)/newsfilter clean fixtures/dump -o demo-out --overwrite
	$(BIN)/newsfilter explain fixtures/dump/yerel/lavanta-kooperatifi.html

test: $(VENV)/dev ## run every test
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/dev ## ruff: lint and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev ## mypy, strict
	$(BIN)/mypy

floors: $(VENV)/dev ## hold the model's figures on the fixtures against their floors
	$(BIN)/python benchmarks/floors.py

check: lint types floors ## lint, types and floors

cover: $(VENV)/dev ## tests with coverage
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage report --skip-covered

bench: $(VENV)/dev ## speed on the fixtures; with DATA, extraction quality too
	$(BIN)/python benchmarks/speed.py fixtures/dump
	@if [ -d $(DATA)/data/pages ]; then $(BIN)/python benchmarks/speed.py $(DATA)/data && $(BIN)/python benchmarks/extraction.py $(DATA)/data && $(BIN)/python benchmarks/spam.py $(DATA)/data; fi

model: $(VENV)/dev ## rebuild models/shipped (make model DATA=../shared/data)
	$(BIN)/python -m newsfilter.training $(if $(wildcard $(DATA)/data/pages),$(DATA)/data,$(DATA))

acceptance: $(VENV)/dev ## what needs the data that is not in the repository (make acceptance DATA=../shared)
	$(BIN)/python -m pytest -q tests/acceptance --acceptance-data $(DATA)
	$(BIN)/python benchmarks/floors.py $(DATA)/data

clean: ## remove everything that was built
	rm -rf $(VENV) demo-out .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage build dist
