# Thin: every recipe calls a preset or a script.
#
#   PYTHON=...           the Python that makes .venv (python3)
#   CXX=...              the compiler of a first configuration
#   TORCH_INDEX_URL=...  the package index to take torch, and only torch, from; pip's own setting if it is not given
#   JOBS=...             parallel jobs (one a core)
#   BENCH=...            options of make bench (--cold, --threads 1 2, ...) or of make bench-peers (--suite quick, ...)
#   DEMO=--update-readme make demo also puts its table and picture into the README

SHELL := bash
.DEFAULT_GOAL := help
PYTHON ?= python3
JOBS ?= $(shell nproc)
export PYTHON TORCH_INDEX_URL
ifneq ($(origin CXX),default)
  export CXX
endif

RELEASE := build/release
VENV := .venv/bin
CXX_FILES := $$(find include src ref cli adapters tests bench examples -name '*.cpp' -o -name '*.h')
or_die = || { echo "a8w8: $(1)" >&2; exit 1; }

.PHONY: help
help:  ## list the commands
	@awk -F ':.*  ## ' '/^[a-z0-9-]+:.*  ## / {printf "  make %-16s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: demo
demo: $(RELEASE)/build.ninja  ## quantize a real model, run it, show what it costs and gains; sets up what is missing
	@cmake --build --preset release --parallel $(JOBS) --target a8w8_package $(call or_die,the op library does not build)
	@$(VENV)/python examples/minilm/demo.py $(DEMO)

.PHONY: test
test: build  ## build everything and run every test; sets up what is missing
	@ctest --preset release --parallel $(JOBS) $(call or_die,C++ tests failed)
	@scripts/check_isa_symbols.sh $(RELEASE)
	@scripts/check_install.sh $(RELEASE)
	@$(VENV)/python -m pytest $(call or_die,Python tests failed)

.PHONY: build
build: setup-test  ## build everything, tests included
	@cmake --preset release -DBUILD_TESTING=ON $(call or_die,CMake cannot configure the release preset)
	@cmake --build --preset release --parallel $(JOBS) $(call or_die,the build failed)

# The demo needs no test libraries: it configures without the tests, and `make build` adds them to the same tree.
$(RELEASE)/build.ninja: | setup-demo
	@cmake --preset release -DBUILD_TESTING=OFF $(call or_die,CMake cannot configure the release preset)

.PHONY: asan tsan
asan: sanitize-asan-ubsan  ## the C++ tests under AddressSanitizer and UndefinedBehaviorSanitizer
tsan: sanitize-tsan  ## the C++ tests under ThreadSanitizer
sanitize-%: system-test
	@cmake --preset $* $(call or_die,CMake cannot configure the $* preset)
	@cmake --build --preset $* --parallel $(JOBS) $(call or_die,the $* build failed)
	@ctest --preset $* --parallel $(JOBS) $(call or_die,tests failed under $*)

.PHONY: bench
bench: $(RELEASE)/build.ninja  ## measure the int8 product at all shapes beside the machine's limits
	@cmake --build --preset release --parallel $(JOBS) --target a8w8_cli $(call or_die,the program a8w8 does not build)
	@$(RELEASE)/a8w8 bench gemm --suite all --weights both $(BENCH)

.PHONY: aarch64 aarch64-kernels
aarch64: system-aarch64  ## the C++ tests for 64-bit Arm, cross-compiled, run by QEMU
	@scripts/test_aarch64.sh $(JOBS)
aarch64-kernels: system-aarch64  ## of these, the tests of the kernels alone
	@scripts/test_aarch64.sh $(JOBS) kernels

.PHONY: lint
lint: setup-test  ## check formatting and style of C++ and Python
	@$(VENV)/clang-format --dry-run -Werror $(CXX_FILES) $(call or_die,C++ is not formatted; make format does it)
	@$(VENV)/ruff check $(call or_die,ruff has complaints)
	@$(VENV)/ruff format --check $(call or_die,Python is not formatted; make format does it)

.PHONY: bench-peers
bench-peers: $(RELEASE)/build.ninja  ## compare the int8 linear with its peers on this CPU; BENCH="--suite quick" is a short one
	@cmake --build --preset release --parallel $(JOBS) --target a8w8_package a8w8_cli $(call or_die,the build failed)
	@scripts/setup_bench.sh
	@.venv-bench/bin/python bench/peers.py $(BENCH)

.PHONY: docs
docs: build  ## write docs/ops.md from the tables, schemas and messages of the library
	@$(VENV)/python scripts/op_reference.py $(call or_die,docs/ops.md could not be written)

.PHONY: format
format: setup-test  ## format C++ and Python in place
	@$(VENV)/clang-format -i $(CXX_FILES)
	@$(VENV)/ruff check --fix-only --quiet
	@$(VENV)/ruff format

.PHONY: clean
clean:  ## remove everything built; .venv stays
	@rm -rf build dist out python/a8w8/lib

.PHONY: distclean
distclean: clean  ## remove .venv as well
	@rm -rf .venv .venv-bench

.PHONY: system-demo system-test system-aarch64 setup-demo setup-test
system-demo system-test system-aarch64: system-%:
	@scripts/setup_system.sh $*
setup-demo setup-test: setup-%: system-%
	@scripts/setup_python.sh $*
