# Every target is one plain command underneath; without make (Windows), give the command after $(RUN) to
#   py tools/bootstrap.py run …        and open the course with        py tools/bootstrap.py lab
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11 python,$(shell command -v $(name) 2>/dev/null)))
ifeq ($(strip $(PYTHON)),)
$(error No Python found. Install Python 3.11, 3.12 or 3.13 (Debian, Ubuntu: sudo apt install python3 python3-venv), then run make again)
endif
RUN := $(PYTHON) tools/bootstrap.py run

.DEFAULT_GOAL := help
.PHONY: help lab test test-fast lint format lock labs grade bench screenshots clean

help: ## list these targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

lab: ## open the course in JupyterLab; LAB_ARGS="--no-browser --port 9999" goes to JupyterLab
	@$(PYTHON) tools/bootstrap.py lab $(LAB_ARGS)

test: ## every test; TEST_ARGS="-k victim" goes to pytest
	$(RUN) pytest -n auto --dist loadfile $(TEST_ARGS)

test-fast: ## the tests without the slow ones (notebooks, nbgrader commands, browser, clean environments)
	$(RUN) pytest -n auto --dist loadfile -m "not slow" $(TEST_ARGS)

lint: ## style, types, import direction, spelling
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) lint-imports --no-cache
	$(RUN) codespell

format: ## put code and solution notebooks into the house style
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

labs: ## regenerate labs/ from solutions/, then the tables of labs in README.md and labs/README.md
	$(RUN) python -m grading release
	$(RUN) python tools/lab_tables.py

grade: ## grade submitted/ with nbgrader; GRADE_ARGS="01_steal_by_query" names the assignment
	$(RUN) nbgrader autograde $(GRADE_ARGS)

bench: ## run the side-by-side measurements
	$(RUN) python -m benchmarks $(BENCH_ARGS)

screenshots: ## take the pictures in docs/screenshots/ again (needs Chromium)
	$(RUN) python tools/screenshots.py

lock: ## resolve the dependencies again: requirements.lock, then the learner's part of it (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --generate-hashes --no-emit-index-url -q \
	  --custom-compile-command "make lock" -o requirements.lock
	$(RUN) python tools/export_learner.py

clean: ## remove the environment and the caches (never your work in labs/)
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
