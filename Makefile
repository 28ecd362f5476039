# `run`, `test` and `check` work on a fresh clone: launch.py makes the environment. The others use it.
PYTHON ?= .venv/bin/python

.PHONY: run test lint check bench golden screenshots

run: ## open the studio
	python3 launch.py

test: ## lint and tests
	python3 launch.py test

lint:
	$(PYTHON) -m ruff check .

check: ## exactly what .ci/run does
	.ci/run

bench: ## measure; see tests/bench
	$(PYTHON) -m tests.bench.training
	$(PYTHON) -m tests.bench.submit
	$(PYTHON) -m tests.bench.page
	$(PYTHON) -m tests.bench.serving
	$(PYTHON) -m tests.bench.encoding
	$(PYTHON) -m tests.bench.browsing
	$(PYTHON) -m tests.bench.doctor
	$(PYTHON) -m tests.bench.predicting
	$(PYTHON) -m tests.bench.exporting

golden: ## make the golden files that the tests compare with
	$(PYTHON) tests/golden/make.py
	$(PYTHON) tests/golden/make_rows.py
	$(PYTHON) tests/golden/make_scores.py

screenshots: ## the pictures in docs/screenshots; look at them afterwards
	$(PYTHON) -m tests.browser.screenshots
