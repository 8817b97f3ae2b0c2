# What there is to do with this checkout. Everything needs Rust and a C compiler, and nothing else by hand.

.PHONY: help test demo demo-down bench

help:
	@echo 'make test       format, lints and all tests, on a real Docker engine that it brings itself'
	@echo 'make demo       a sandbox from a file: build, run, and left running to be looked at'
	@echo 'make demo-down  removes what the demo left'
	@echo 'make bench      a race against the bare engine calls and against docker compose'

test:
	@tests/run

demo:
	@examples/demo/run

demo-down:
	@examples/demo/run down

bench:
	@tests/run bench
