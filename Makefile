# The machine needs Python 3.11 or later, and make. `make` alone lists the targets.
# run and serve install the runtime packages; test, lint, proof and bench also install those for development.
VENV  := .venv
PY    := $(VENV)/bin/python
RUNTIME := $(VENV)/.runtime
STAMP := $(VENV)/.installed
TORCH ?=
JOBS  ?= 2
RUN   ?=
BUNDLE ?= bundles/demo
IMAGES ?= serve page monitor
# The slowest tests stand at the end of the output: a gate that takes long says where.
SLOWEST := --durations 25 --durations-min 10
UV    := $(PY) -m uv

.DEFAULT_GOAL := help
.PHONY: help setup run serve browser database prometheus test lint proof drill docs docs-serve bench mutants images pins sbom wheel clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## install the development packages into .venv, 9 GB, at pinned versions, if they changed

$(VENV)/.uv:
	@if [ ! -x $(PY) ]; then \
	  for name in python3.13 python3.12 python3.11 python3; do \
	    if $$name -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	      found=$$name; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "petmood needs Python 3.11 or later with venv on the PATH (Debian: apt-get install python3-venv)." >&2; \
	    exit 1; fi; \
	  echo "Making $(VENV) with $$($$found --version)"; \
	  $$found -m venv $(VENV); \
	fi
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PY) -m ensurepip >/dev/null
	@$(UV) --version >/dev/null 2>&1 || $(PY) -m pip install --quiet --constraint constraints.txt uv
	@touch $@

# TORCH=cpu (or cu128, auto, ...) takes torch from the index of that build, if it can be reached: uv's --torch-backend.
INSTALL = $(UV) pip install --quiet --compile-bytecode --python $(PY) --constraint constraints.txt \
  --build-constraint constraints.txt $(if $(TORCH),--torch-backend $(TORCH))

$(RUNTIME): $(VENV)/.uv pyproject.toml constraints.txt
	@echo "Installing the runtime packages into $(VENV): 165 packages, 7 GB. There is no output until it is done."
	@$(INSTALL) --editable '.[train,page]'
	@touch $@

$(STAMP): $(VENV)/.uv pyproject.toml constraints.txt
	@echo "Installing the development packages into $(VENV): 440 packages, 9 GB. There is no output until it is done."
	@$(INSTALL) --editable '.[dev]'
	@touch $(RUNTIME) $@

run: $(RUNTIME) ## run the whole pipeline on demo data, or on RUN="data=data/pets ..."
	@$(VENV)/bin/petmood run $(RUN)

serve: $(RUNTIME) ## serve the API on :8000 and the page on :8501, for BUNDLE=bundles/demo
	@[ -e $(BUNDLE)/manifest.json ] || $(VENV)/bin/petmood run
	@$(VENV)/bin/petmood serve $(BUNDLE) --log text & api=$$!; $(VENV)/bin/petmood page & page=$$!; \
	  trap 'kill $$api $$page 2>/dev/null; wait' INT TERM EXIT; wait

lint: setup ## check style, format, types and prose
	@$(VENV)/bin/ruff check --quiet
	@$(VENV)/bin/ruff format --check --quiet
	@$(VENV)/bin/mypy --no-error-summary
	@$(PY) -m tests.support.prose
	@echo "lint, format, types and prose are clean"

test: lint ## run lint, types, house rules and tests, with branch coverage
	@OMP_NUM_THREADS=1 $(PY) -m pytest -n $(JOBS) --dist worksteal -m "not proof" -q $(SLOWEST) --cov --cov-report=term

browser: ## install a headless Chromium for the proof of the page, if root
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -yqq chromium >/dev/null; } || \
	  { echo "make proof needs Chromium. Install it, such as with: apt-get install chromium" >&2; exit 1; }

database: ## install PostgreSQL for the proof of sweeps on several machines, if root
	@command -v postgres >/dev/null || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -yqq postgresql >/dev/null; } || \
	  { echo "make proof needs PostgreSQL. Install it, such as with: apt-get install postgresql" >&2; exit 1; }

prometheus: ## install Prometheus and Alertmanager for the proof of alerts, if root
	@{ command -v promtool && command -v amtool; } >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
	    apt-get install -yqq --no-install-recommends prometheus prometheus-alertmanager >/dev/null; } || \
	  { echo "make proof needs Prometheus. Install it, such as with: apt-get install prometheus prometheus-alertmanager" >&2; exit 1; }

buildah: ## install buildah and mmdebstrap, with which container images are built without an engine, if root
	@{ command -v buildah && command -v mmdebstrap; } >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
	    apt-get install -yqq --no-install-recommends buildah mmdebstrap >/dev/null; } || \
	  { echo "make images needs root and buildah. Install it, such as with: apt-get install buildah mmdebstrap" >&2; exit 1; }

images: setup buildah ## build container images and run them, for BUNDLE=bundles/demo and IMAGES="serve page monitor bento train"
	@[ -e $(BUNDLE)/manifest.json ] || $(VENV)/bin/petmood run
	@$(PY) -m tests.support.containers $(IMAGES) --bundle $(BUNDLE)

# The hooks run alone: they read every file of the repository, and their type check needs all processors.
proof: setup browser database prometheus ## run slow proofs: clean environments, real servers, kills, hooks; some 20 minutes
	@$(UV) pip check --python $(PY)
	@$(VENV)/bin/pre-commit run --all-files
	@OMP_NUM_THREADS=1 $(PY) -m pytest -m proof -v $(SLOWEST) -n $(JOBS) --dist loadgroup --no-loadscope-reorder

drill: setup browser database prometheus ## practice what docs/runbook.md says, on real processes; some 5 minutes
	@OMP_NUM_THREADS=1 $(PY) -m pytest -m drill -v

docs: setup ## write the reference pages, build the site into site/ strictly, and check its links
	@$(PY) -m tests.support.site

docs-serve: docs ## show the site at http://127.0.0.1:8001, and build it again after each change
	@$(VENV)/bin/zensical serve --dev-addr 127.0.0.1:8001

bench: setup ## run the benchmarks (all but the one that takes ten minutes) and print the table
	@$(PY) -m benchmarks

mutants: setup ## measure which small changes of the code no unit test notices: hours; PACKAGES="evaluation promotion" for less
	@$(PY) -m benchmarks.mutants --processes $(JOBS) $(PACKAGES)

pins: $(VENV)/.uv ## resolve pyproject.toml into constraints.txt again
	@$(UV) pip compile --quiet --universal --all-extras --python-version 3.11 --upgrade \
	  --no-annotate --no-header --no-emit-index-url pyproject.toml --output-file constraints.txt

# Without validation: it takes minutes for 400 packages, and a second without.
sbom: setup ## list the packages of .venv in dist/petmood.cdx.json, as CycloneDX
	@mkdir -p dist
	@$(VENV)/bin/cyclonedx-py environment --no-validate --pyproject pyproject.toml --mc-type application --spec-version 1.6 \
	  --output-reproducible --output-format JSON --output-file dist/petmood.cdx.json $(PY)

wheel: setup ## build dist/petmood-*.whl
	@$(UV) build --quiet --wheel --python $(PY) --build-constraint constraints.txt --out-dir dist
	@ls dist

clean: ## remove build outputs, but not .venv and not data
	@rm -rf dist build site .cache .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache htmlcov
	@find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
