# make serve: the example application on http://127.0.0.1:8000
# make test:  what a change must pass; make test-deploy: what needs other servers
PYTHON ?= python3
VENV   ?= .venv
PY     := $(VENV)/bin/python

# Against the installed package: -P keeps the working directory, and with it
# ./fastserve, off the path.
PYTEST := $(PY) -P -m pytest $(if $(RERUNS),--reruns $(RERUNS))
# Much of the suite waits, for processes and for time to pass: three at once.
JOBS   ?= 3

SOURCES := $(shell find fastserve csrc vendor setup.py pyproject.toml README.md \
	-type f ! -name '*.so' ! -path '*/__pycache__/*')
SUITE   := $(wildcard $(addprefix tests/,unit wire server apps isolated fuzz test_source.py))
C_TESTS := $(patsubst tests/c/%.c,build/test-c/%,$(wildcard tests/c/test_*.c))
C_FLAGS := -std=c11 -Wall -Wextra -Werror -g -O1 -fno-omit-frame-pointer \
	-fsanitize=address,undefined -fno-sanitize-recover=all

# Each Python >= 3.11 on PATH and of pyenv, one a version, as 3.12=/its/path.
PROBE := import sys, sysconfig; v = sys.version_info[:2]; v >= (3, 11) and not \
	sysconfig.get_config_var("Py_GIL_DISABLED") and print("%d.%d=" % v + sys.executable)
PYTHONS = $(shell for python in $(PYTHON) $(addprefix python3.,11 12 13 14 15) \
	$${PYENV_ROOT:-$$HOME/.pyenv}/versions/*/bin/python; do \
	$$python -c '$(PROBE)' 2>/dev/null; done | awk -F= '!seen[$$1]++')
# What the tests and a build in place need.
NEEDS := import sys, tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
	print(*p["dependencies"], *p["optional-dependencies"][sys.argv[1]], sep="\n")

.PHONY: build debug serve test test-python test-all test-c test-deploy autobahn fuzz leaks \
	lint types bench gate load slowloris profile compare docs docs-serve docs-parts vendor \
	soak wheel wheel-cross clean
build: $(VENV)/tools
	$(PY) setup.py -q build_ext --inplace
debug: $(VENV)/tools
	FASTSERVE_DEBUG=1 $(PY) setup.py -q build_ext --inplace -b build/debug -t build/debug
serve: $(VENV)/examples
	$(VENV)/bin/fastserve --app-dir examples app:app --host 127.0.0.1 --port 8000

test: test-python test-c
test-python: $(VENV)/tools $(VENV)/installed
	$(PYTEST) -n $(JOBS) --dist loadfile $(SUITE)
test-all:
	@test -n "$(PYTHONS)" || { echo "no Python >= 3.11 was found"; exit 1; }
	@set -e; for found in $(filter-out $(TESTED:%=%=%),$(PYTHONS)); do echo "== Python $$found"; \
		$(MAKE) test-python PYTHON=$${found#*=} VENV=.venv-$${found%%=*}; done
test-c: $(C_TESTS)
	@set -e; for test in $^; do echo $$test; ./$$test; done
build/test-c/%: tests/c/%.c $(wildcard csrc/*.[ch] tests/c/*.h)
	@mkdir -p $(@D)
	$(CC) $(C_FLAGS) -Icsrc -Itests/c $< $(wildcard csrc/*.c) -o $@
test-deploy: $(VENV)/tools $(VENV)/installed $(VENV)/docs
	$(PYTEST) tests/deploy tests/docs
autobahn: $(VENV)/tools $(VENV)/installed
	$(PY) -P tests/autobahn/run.py
# For FUZZ_SECONDS, 300 unless told; `make fuzz TARGETS="http1 ws_frame"` runs these.
fuzz: $(VENV)/tools $(VENV)/fuzzer
	$(PY) -P tests/fuzz/run.py $(TARGETS)
# A million requests, 100,000 clients that leave, 10,000 WebSockets: nothing grows.
soak: $(VENV)/tools $(VENV)/installed
	$(PY) -P tests/isolated/soak.py $(OPTIONS)
leaks: $(VENV)/tools $(VENV)/installed
	$(PYTEST) tests/isolated

lint: $(VENV)/tools
	$(PY) -m ruff check .
	PATH=$(VENV)/bin:$$PATH cython-lint fastserve
types: $(VENV)/tools $(VENV)/installed
	$(PY) -m mypy
	$(PYTEST) tests/test_source.py -k stubs
bench: $(VENV)/tools $(VENV)/installed
	$(PYTEST) bench/micro
# Instructions a request, here and where this branch began; needs valgrind.
gate: $(VENV)/tools
	$(PY) -m bench.gate $(if $(BASE),--base $(BASE))
# Users of locust's on the example application, beside uvicorn; build/load/report.html.
load: $(VENV)/tools $(VENV)/installed .venv-load/ready
	$(PY) -m bench.load --locust $(CURDIR)/.venv-load/bin/locust $(OPTIONS)
# Requests a second while 5,000 heads trickle in; needs wrk and two cores.
slowloris: $(VENV)/tools $(VENV)/installed
	$(PY) -m bench.slow $(OPTIONS)
# A flame graph and shares of CPU time; needs perf, wrk and two cores.
profile: $(VENV)/tools $(VENV)/installed
	$(PY) -m bench.profile $(OPTIONS)
compare:
	$(PYTHON) -m bench.compare $(COMPARE)
# The pages of docs/ as a site in build/docs; docs-serve shows it, and builds it again
# when a page changes, on http://127.0.0.1:8001.
docs: docs-parts
	$(VENV)/bin/zensical build --clean --strict
docs-serve: docs-parts
	$(VENV)/bin/zensical serve --dev-addr 127.0.0.1:8001
docs-parts: $(VENV)/docs
	$(PY) -m tools.settings_page
	$(PY) -m tools.benchmark_plots
vendor: $(VENV)/tools
	$(PY) vendor/llhttp/fetch.py
# Into dist/, tried out on each Python found; DEBUG=1: with asserts and debug symbols.
wheel: $(VENV)/wheel-tools
	$(PY) release/wheels.py $(if $(DEBUG),--debug --out dist/debug) \
		$(foreach found,$(PYTHONS),$(lastword $(subst =, ,$(found))))
# For other processors, C libraries and macOS; looked into, not run.
wheel-cross: $(VENV)/wheel-tools
	$(PY) release/wheels.py --foreign --out dist/cross
clean:
	rm -rf build dist *.egg-info fastserve/protocols/*.so .*_cache .benchmarks
	find . -name __pycache__ ! -path './.venv*' -prune -exec rm -rf {} +

$(PY):
	$(PYTHON) -m venv $(VENV)
# As a user installs it; again with the venv's own tools, which is ten times quicker.
# What an earlier build left in build/lib*, but for compiled modules, would be taken
# into the wheel: it goes first.
$(VENV)/installed: $(SOURCES) | $(PY)
	find build/lib* -type f ! -name '*.so' -delete 2>/dev/null || true
	$(PY) -m pip install -q \
		$(if $(and $(wildcard $@),$(wildcard $(VENV)/tools)),--no-build-isolation) .
	@touch $@
$(VENV)/tools: pyproject.toml | $(PY)
	$(PY) -c '$(NEEDS)' test > $(VENV)/needs.txt
	$(PY) -m pip install -q -r $(VENV)/needs.txt
	@touch $@
$(VENV)/wheel-tools: pyproject.toml | $(PY)
	$(PY) -c '$(NEEDS)' wheels > $(VENV)/wheel-needs.txt
	$(PY) -m pip install -q -r $(VENV)/wheel-needs.txt
	@touch $@
.venv-load/ready: bench/load/requirements.txt
	$(PYTHON) -m venv .venv-load
	.venv-load/bin/python -m pip install -q -r $<
	@touch $@
# Not for every Python: without it the targets in C are run.
$(VENV)/fuzzer: pyproject.toml | $(PY)
	$(PY) -c '$(NEEDS)' fuzz > $(VENV)/fuzzer.txt
	$(PY) -m pip install -q -r $(VENV)/fuzzer.txt || echo "atheris cannot be installed"
	@touch $@
$(VENV)/docs: pyproject.toml | $(PY)
	$(PY) -c '$(NEEDS)' docs > $(VENV)/docs.txt
	$(PY) -m pip install -q -r $(VENV)/docs.txt
	@touch $@
$(VENV)/examples: examples/requirements.txt $(VENV)/installed
	$(PY) -m pip install -q -r examples/requirements.txt
	@touch $@
