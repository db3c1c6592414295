# Everything a person or CI calls. The real build is CMake's (CMakePresets.json).
SHELL := /bin/bash
export CCACHE_NOHASHDIR := 1
# So that what was compiled in one folder need not be in another.
export CCACHE_BASEDIR := $(CURDIR)
export CCACHE_SLOPPINESS := time_macros

.PHONY: build run test conformance bench lint fuzz deps clean

build: deps
	@[ -f build/build.ninja ] || cmake --preset release
	@cmake --build build --target weft

run: build
	@./build/weft demo

test: deps
	@scripts/test.sh

conformance: build
	@scripts/conformance.sh

bench: build
	@scripts/bench.sh

lint: deps
	@scripts/lint.sh

fuzz: deps
	@scripts/fuzz.sh

deps:
	@scripts/install-deps.sh

clean:
	rm -rf build
