# commonfab. On a bare machine with Python 3.11, git and make, two words are enough:
#
#     make demo     a town of five workshops on this computer, in a minute
#     make test     all tests
#
# Both set everything up first, in .venv/ here and nowhere else.

PYTHON ?= python3
BIN := .venv/bin
SET_UP := .venv/.set-up
BENCHMARKS = $(basename $(notdir $(wildcard tests/benchmarks/bench_*.py)))

.PHONY: help setup demo test check bench placement peers sim lab soak requirements clean

help:
	@echo "make demo          a town of five workshops, from a design to the finished parts"
	@echo "make demo KEEP=1   the same, and the town stays to be looked at"
	@echo "make test          all tests (ARGS=... for pytest)"
	@echo "make check         formatting, lint, types"
	@echo "make sim           networks under faults, one node in five a rogue: 1,000 seeds of 30 nodes"
	@echo "                   and 40 of 100, in about 8 minutes of two cores; make test has the first"
	@echo "                   300 of 30"
	@echo "make sim QUICK=1   the 40 of 100 nodes alone, in about a minute"
	@echo "make lab           20 real nodes on a bad link, then among 80 Sybils; wants root"
	@echo "make soak          for hours: 10,000 seeds (SEEDS=...) of 100 nodes that nobody has tried,"
	@echo "                   10^7 mutated records (RECORDS=...), 10^6 mutated frames (FRAMES=...) for"
	@echo "                   each handler, 10,000 schedules of one lease (SCHEDULES=...), real nodes"
	@echo "                   killed 1,000 times (KILLS=...), disks filled 200 times (FULL=...), a node"
	@echo "                   besieged for 10 minutes (SIEGE=... seconds); all parts, whatever fails"
	@echo "make bench         what it costs"
	@echo "make placement     500 workshops and three days of jobs, placed in several ways; a picture"
	@echo "                   of it in build/ (QUICK=1: a small town, in seconds)"
	@echo "make peers         the real programs that some tests speak to, into .peers/"
	@echo "make clean         remove all that these made"

setup: $(SET_UP)

# What pip cannot bring comes first: libp2p needs a compiler, and libgmp.
$(SET_UP): requirements.txt pyproject.toml
	@PYTHON=$(PYTHON) sh .ci/system
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@# trio-typing, which comes with libp2p, has types of an old trio that hide trio's own.
	rm -rf $$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/trio-stubs
	@touch $@

demo: $(SET_UP)
	$(BIN)/commonfab demo $(if $(KEEP),--keep)

test: $(SET_UP)
	$(BIN)/pytest -n logical --dist loadfile $(ARGS)

check: $(SET_UP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright

sim: $(SET_UP)
	$(if $(QUICK),,$(BIN)/python -m tests.simulation --seeds 1-1000)
	$(BIN)/python -m tests.simulation --nodes 100 --seeds 200-$(if $(QUICK),219,239)

lab: $(SET_UP)
	$(BIN)/python -m tests.lab $(ARGS)

soak: $(SET_UP)
	first=$$(date +%s); held=true; \
	$(BIN)/python -m tests.attacks --seed $$first --seconds $(or $(SIEGE),600) || held=false; \
	$(BIN)/python -m tests.torture --seed $$first \
		--kills $(or $(KILLS),1000) --full $(or $(FULL),200) || held=false; \
	LEASE_SCHEDULES=$(or $(SCHEDULES),10000) \
		$(BIN)/pytest -q tests/protocol/lease/test_schedules.py || held=false; \
	$(BIN)/python -m tests.fuzz --seed $$first \
		--records $(or $(RECORDS),10000000) --frames $(or $(FRAMES),1000000) || held=false; \
	$(BIN)/python -m tests.simulation --nodes 100 \
		--seeds $$first-$$((first + $(or $(SEEDS),10000) - 1)) || held=false; \
	$$held

bench: $(SET_UP)
	@for each in $(BENCHMARKS); do \
		echo "== $$each"; $(BIN)/python -m tests.benchmarks.$$each || exit 1; \
	done

placement: $(SET_UP)
	$(BIN)/python -m tests.placement $(if $(QUICK),--quick) $(ARGS)

peers: $(SET_UP)
	@PYTHON=$(PYTHON) sh tests/peers/install.sh

# After a change of the dependencies in pyproject.toml. Wants uv.
requirements:
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header --quiet \
		--output-file requirements.txt

clean:
	rm -rf .venv .peers .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -prune -exec rm -rf {} +
