# Every target does its own set-up: it needs Python 3.10 or newer and, for the compiled backend,
# a C compiler. PYTHON is the interpreter that .venv is made with.
# Tests are spread over WORKERS processes; 0 keeps them in one.
PYTHON ?= python3
VENV ?= .venv
WORKERS ?= auto
# Of what .venv gets. `test` is less: tests that need no other WebSocket libraries run with it.
EXTRA ?= dev

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
SOURCES := setup.py pyproject.toml scripts/docstrings.py \
	$(wildcard wscore/*.px[dy] wscore/_version.py wscore/_backend/*.p* wscore/_kernels/*)

PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
# Seconds for each test, where one is a build or thousands of connections.
PATIENTLY := --timeout=900

# The newest libraries need Python 3.11: below it there are fewer libraries to accelerate and to measure.
WITHOUT_PEERS = $(shell $(BIN)/python -c 'import sys; print("--ignore=tests/acceleration --ignore=tests/bench" * (sys.version_info < (3, 11) or "$(EXTRA)" != "dev"))')

# What compiled code does on the transports of the loop. The twin has all tests on them.
ON_TRANSPORTS = $(addprefix tests/aio/connection/test_,backlog.py cancellation.py connection.py \
		ending.py heartbeat.py paused.py send_queue.py shared.py transport.py wire.py) \
	$(addprefix tests/aio/server/test_,admission.py pending.py server.py server_life.py shutdown.py sockets.py) \
	$(addprefix tests/aio/client/test_,connect.py dialing.py tls.py) \
	$(addprefix tests/bridge/test_,listening.py pipe.py)

.PHONY: help demo demo-cluster test coverage report bench bench-quick bench-asgi bench-bridge bench-broadcast bench-deflate bench-end-to-end bench-nodes bench-tls compare calls lint types sanitize kernels neon old-cpus \
	test-packaging test-accelerated test-asgi test-frameworks test-subprotocols test-compat test-browser test-cluster docs attack fuzz fuzz-sanitized conformance life soak matrix matrix-new pypy pyodide installs wheels wheels-tested pins release conditions clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 20

# Set-up --------------------------------------------------------------------------------------

$(VENV)/.made:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "wscore needs Python 3.10 or newer")'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.dev: $(VENV)/.made $(SOURCES)
	$(PIP) --editable '.[$(EXTRA)]' || { echo "make: what development needs comes from a package index" >&2; exit 1; }
	touch $@

# Other libraries are welcome here, not needed: the demonstration also runs where no index can be reached.
# Who develops has all of it.
$(VENV)/.demo: $(VENV)/.made $(SOURCES)
	if make -q $(VENV)/.dev || scripts/install_for_demo.sh $(BIN)/python; then touch $@; fi

# Running -------------------------------------------------------------------------------------

demo: $(VENV)/.demo ## what the kernels do, then a chat; CHECK=1 has clients talk in it
	$(BIN)/python -m bench.demo
ifdef CHECK
	$(BIN)/python -m scripts.check_demo
else
	$(BIN)/python -m wscore serve
endif

PORT ?= 8765
demo-cluster: $(VENV)/.demo ## the chat on three nodes behind nginx, with Redis between them; PORT=8765
	@$(BIN)/python -c 'import redis, hiredis' 2>/dev/null || $(PIP) --editable '.[redis]'
	$(BIN)/python -m scripts.demo_cluster $(PORT)

test: $(VENV)/.dev ## the fast tests, on the backend that is there and on the pure twin, on both transports
	WSCORE_BACKEND=auto $(PYTEST) $(WITHOUT_PEERS)
	# On the transports of the loop, which other systems have; not where other tests were asked for.
	[ -n "$$PYTEST_ADDOPTS" ] || WSCORE_TRANSPORT=asyncio WSCORE_BACKEND=auto $(PYTEST) $(ON_TRANSPORTS)
	# Without a compiler that was the twin. Status 5, no tests: where a few were asked for, none of
	# them may depend on the backend.
	[ "$$(WSCORE_BACKEND=auto $(BIN)/python -c 'import wscore; print(wscore.BACKEND)')" = python ] || \
		WSCORE_BACKEND=python WSCORE_REQUIRE_COMPILED= $(PYTEST) $(WITHOUT_PEERS) -m "not any_backend" \
		|| [ $$? -eq 5 -a -n "$$PYTEST_ADDOPTS" ]

coverage: $(VENV)/.dev ## which lines of the Python code the fast tests reach
	$(BIN)/python -m coverage run -m pytest --quiet $(WITHOUT_PEERS)
	$(BIN)/python -m coverage report

# Fewer ROUNDS take less time; the files and the report tell how many there were.
PACE = $(if $(ROUNDS),--rounds $(ROUNDS))
BENCHMARKS := bench-end-to-end bench-deflate bench-broadcast bench-asgi bench-nodes bench-bridge bench-tls bench compare

report: $(VENV)/.dev ## docs/report.md with its charts, from what was measured; MEASURE=1 measures all before, for more than an hour; ROUNDS=3 for less
ifdef MEASURE
	# One that fails may have missed a target: the page tells, and the others are measured all the same.
	for each in $(BENCHMARKS); do $(MAKE) $$each || echo "report: $$each failed, or missed a target" >&2; done
endif
	$(BIN)/python -m bench.page

bench: $(VENV)/.dev ## all kernel benchmarks, with the ratios to reach; writes README's table
	$(BIN)/python -m bench --json bench/results.json --readme README.md $(PACE)

bench-end-to-end: $(VENV)/.dev ## servers and clients beside those of other libraries, with charts; ROUNDS=3 for less
	if command -v npm >/dev/null; then npm install --silent --prefix .peers/node ws; fi
	$(BIN)/python -m bench.end_to_end echo client connections heartbeat --json bench/end_to_end.json $(PACE) $(ARGS); status=$$?; \
		$(BIN)/python -m bench.charts bench/end_to_end.json docs/charts && exit $$status

bench-deflate: $(VENV)/.dev ## the same with permessage-deflate
	if command -v npm >/dev/null; then npm install --silent --prefix .peers/node ws; fi
	$(BIN)/python -m bench.end_to_end deflate --json bench/end_to_end_deflate.json $(PACE) $(ARGS); status=$$?; \
		$(BIN)/python -m bench.charts bench/end_to_end_deflate.json docs/charts && exit $$status

bench-broadcast: $(VENV)/.dev ## rooms: one message to many, beside other libraries; memberships; slow members
	if command -v npm >/dev/null; then npm install --silent --prefix .peers/node ws; fi
	$(BIN)/python -m bench.broadcast --json bench/broadcast.json --document docs/hub.md $(PACE) $(ARGS); status=$$?; \
		$(BIN)/python -m bench.charts bench/broadcast.json docs/charts && exit $$status

bench-asgi: $(VENV)/.dev ## wscore under uvicorn beside uvicorn's own classes and other servers; QUICK=1 only tries it
ifdef QUICK
	$(BIN)/python -m bench.asgi --rounds 1 --seconds 0.2 $(ARGS)
else
	$(BIN)/python -m bench.asgi --json bench/asgi.json --document docs/asgi.md $(PACE) $(ARGS); status=$$?; \
		$(BIN)/python -m bench.charts bench/asgi.json docs/charts && exit $$status
endif

bench-nodes: $(VENV)/.dev ## hubs of many nodes beside redis-py and a hub alone; QUICK=1 only tries it
ifdef QUICK
	$(BIN)/python -m bench.nodes --rounds 1 --seconds 0.5 --waiting 20000 $(ARGS)
else
	$(BIN)/python -m bench.nodes --json bench/nodes.json --document docs/scaling.md $(PACE) $(ARGS)
endif

bench-bridge: $(VENV)/.dev ## wscore bridge beside websockify; QUICK=1 only tries it
ifdef QUICK
	$(BIN)/python -m bench.bridge --rounds 1 --seconds 0.3 $(ARGS)
else
	$(BIN)/python -m bench.bridge --json bench/bridge.json --document docs/bridge.md $(PACE) $(ARGS)
endif

bench-tls: $(VENV)/.dev ## our TLS beside that of asyncio and uvloop; QUICK=1 only tries it
ifdef QUICK
	$(BIN)/python -m bench.tls --rounds 1 --seconds 0.2 $(ARGS)
else
	$(BIN)/python -m bench.tls --json bench/tls.json --document docs/server.md $(PACE) $(ARGS)
endif

compare: $(VENV)/.dev ## WebSocket beside server-sent events and long polling; QUICK=1 only tries it
ifdef QUICK
	$(BIN)/python -m bench.compare --quick $(ARGS)
else
	$(BIN)/python -m bench.compare --json bench/compare.json --document docs/comparison.md $(PACE) $(ARGS); status=$$?; \
		$(BIN)/python -m bench.charts bench/compare.json docs/charts && exit $$status
endif

bench-quick: $(VENV)/.dev ## the kernel benchmarks in less time, with more noise
	$(BIN)/python -m bench --quick

calls: $(VENV)/.dev ## Python calls of a message, a handshake, a refusal, a reconnection
	$(BIN)/python scripts/calls.py $(ARGS)

lint: $(VENV)/.dev ## ruff: rules and layout
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.dev ## mypy, strict
	$(BIN)/mypy

sanitize: $(VENV)/.dev ## kernels, reader and writer under AddressSanitizer and UBSan
	scripts/sanitize.sh $(BIN)/python

kernels: ## every kernel of this machine against byte-by-byte truth, without Python
	tests/kernels_c/run.sh native

neon: ## the NEON kernel, cross-compiled and emulated where this is no AArch64
	tests/kernels_c/run.sh neon

old-cpus: ## the choice of a kernel on emulated x86-64 CPUs
	tests/kernels_c/run.sh old-cpus

test-packaging: $(VENV)/.dev ## wheels, sdist, installs with and without a compiler
	$(BIN)/python -m pytest $(PATIENTLY) tests/packaging

test-accelerated: $(VENV)/.dev ## the libraries' own test suites, with and without acceleration
	PYTHONPATH=tests $(BIN)/python tests/accelerated/run.py $(ARGS)

test-compat: $(VENV)/.dev ## websockets' tests and examples, and packages that use it, on wscore.compat; ARGS=--short for less
	PYTHONPATH=tests $(BIN)/python tests/compat/run.py $(ARGS)
	PYTHONPATH=tests $(BIN)/python tests/compat/programs.py $(ARGS)

test-asgi: $(VENV)/.dev ## wscore.asgi on live servers, and uvicorn's own tests; ARGS=--short for one backend only
	$(PYTEST) tests/uvicorn_live
	PYTHONPATH=tests $(BIN)/python tests/uvicorn_suite/run.py $(ARGS)

# Not editable again; see .fuzz.
$(VENV)/.frameworks: $(VENV)/.dev
	$(PIP) 'wscore-engine[frameworks]'
	touch $@

# The tests of an example share its server.
test-frameworks: $(VENV)/.frameworks ## each of examples/: FastAPI, Django Channels, Socket.IO and others
	# For Python 3.10 there is an older Quart, whose types are narrower than its code.
	$(BIN)/python -c 'import sys; sys.exit(sys.version_info >= (3, 11))' || $(BIN)/mypy examples
	$(PYTEST) --dist loadfile tests/frameworks $(ARGS)

# Not editable again; see .fuzz.
$(VENV)/.subprotocols: $(VENV)/.dev
	$(PIP) 'wscore-engine[subprotocols]'
	touch $@

# The tests of a file share its server. Packages of npm are installed by the first of them.
test-subprotocols: $(VENV)/.subprotocols ## GraphQL, WAMP and others between released clients and servers
	$(PYTEST) --dist loadfile tests/subprotocols $(ARGS)

# Not editable again; see .fuzz.
$(VENV)/.docs: $(VENV)/.dev
	$(PIP) 'wscore-engine[docs]'
	touch $@

docs: PORT = 8000
docs: $(VENV)/.docs ## the documentation as a site on PORT; CHECK=1 builds it into build/site, follows its links, looks at its widths and searches it
ifdef CHECK
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build
	$(BIN)/python -m scripts.site.check_links build/site
	$(BIN)/python -m scripts.site.check_widths build/site
	$(BIN)/python -m scripts.site.check_search build/site
else
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve --dev-addr 127.0.0.1:$(PORT)
endif

test-browser: $(VENV)/.dev ## Chromium opens the page and talks to the server
	$(BIN)/python -m pytest tests/browser

test-cluster: $(VENV)/.dev ## three nodes on Redis under load, which fails in many ways; CLUSTER=short for less
	CLUSTER=$(CLUSTER) $(BIN)/python -m pytest $(PATIENTLY) tests/cluster

conformance: $(VENV)/.dev ## the Autobahn test suite
	$(BIN)/python tests/conformance/run.py $(ARGS)

life: $(VENV)/.dev ## thousands of connections, cut links, killed servers; LIFE=short for less
	LIFE=$(LIFE) $(BIN)/python -m pytest $(PATIENTLY) tests/life

SECONDS ?= 300
soak: $(VENV)/.dev ## an hour in fast time, and SECONDS of churn: memory has to stay flat; ARGS: --tls, --uvloop
	$(BIN)/python -W error -m tests.soak --seconds $(SECONDS) $(ARGS)

# Not editable again: that would build the extension anew under those who use it.
$(VENV)/.fuzz: $(VENV)/.dev
	$(PIP) 'wscore-engine[fuzz]'
	touch $@

fuzz: $(VENV)/.fuzz ## every target for SECONDS, guided by coverage with atheris; ARGS: targets
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) $(ARGS)

fuzz-sanitized: $(VENV)/.fuzz ## the same on an extension with AddressSanitizer, by clang
	scripts/fuzz.sh $(BIN)/python --seconds $(SECONDS) $(ARGS)

attack: $(VENV)/.dev ## the attack suite against wscore and other servers, or ARGS="--server NAME --port N"
	if command -v npm >/dev/null; then npm install --silent --prefix .peers/node ws; fi
	PYTHONPATH=tests $(BIN)/python -m attack $(or $(ARGS),--write docs/attacks.md)

matrix: ## the fast tests on every supported CPython that is found; MATRIX: which, ARGS: of pytest
	MATRIX="$(MATRIX)" scripts/matrix.sh $(ARGS)

# Debian's next release, in a root of its own, has the newest interpreters.
ARCH = $(shell dpkg --print-architecture)
FORKY = scripts/debian_root.sh forky "$(ARCH)"
NEWEST = gcc libc6-dev make openssl python3 python3-dev python3-venv python3.15 python3.15-dev python3.15-venv
# What fast tests run beside Python, and may not be skipped for; none with SERVERS=
SERVERS ?= curl haproxy iproute2 libnginx-mod-stream microsocks nginx nodejs npm procps redis-server systemd tinyproxy

matrix-new: export WSCORE_REQUIRE_NODE = $(if $(SERVERS),1)
matrix-new: export WSCORE_REQUIRE_PROXIES = $(if $(SERVERS),1)
matrix-new: ## the fast tests on CPython 3.14 and 3.15, as root on Debian; MATRIX: which, ARGS: of pytest
	MATRIX="$(or $(MATRIX),3.14 3.15)" MATRIX_REQUIRE=1 $(FORKY) "$(NEWEST) $(SERVERS)" scripts/matrix.sh $(ARGS)

pypy: ## tests of the pure backend, the protocol and asyncio on PyPy, as root on Debian; ARGS: of pytest
	WORKERS=$(WORKERS) $(FORKY) "openssl pypy3 pypy3-venv" scripts/pypy.sh $(ARGS)

pyodide: $(VENV)/.made ## tests of the kernels and the protocol in WebAssembly, under Node.js; ARGS: of pytest
	scripts/pyodide.sh $(BIN)/python $(ARGS)

installs: $(VENV)/.made ## a wheel and the README's examples on every interpreter and Debian; writes docs/installs.md; ARGS: which
	$(BIN)/python scripts/installs.py $(ARGS)

wheels: ## sdist and wheels for Linux into dist/; WHEELS: which, such as 3.11-aarch64-musllinux, and --twice
	$(PYTHON) scripts/wheels/build.py $(WHEELS)

wheels-tested: wheels ## the same, each installed and tested where it can run; without WHEELS, writes docs/building.md
	$(PYTHON) scripts/wheels/run.py $(filter-out --twice,$(WHEELS))

pins: ## renew the hashes of what `make wheels` installs
	PYTHON="$(PYTHON)" scripts/wheels/pin.sh

release: $(VENV)/.dev ## VERSION=0.2.0: check, commit, build and tag, and push nothing; DRY_RUN=1 only checks
	$(BIN)/python scripts/release.py $(if $(DRY_RUN),--dry-run) '$(VERSION)'

conditions: $(VENV)/.dev ## `make test` without a network, with a read-only home, as a user without rights; ARGS: of pytest
	scripts/conditions.sh $(BIN)/python make test PYTEST_ADDOPTS="$(ARGS)"

clean: ## everything that can be made again, the environments included
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .coverage htmlcov
	rm -f wscore/_speedups.c wscore/_speedups_docstrings.h
	rm -f wscore/_speedups.*.so wscore/_speedups.*.pyd
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
