# The tasks of this checkout. All of them need Rust and a C compiler.

.PHONY: help test test-engines release-check demo demo-down bench

help:
	@echo 'make test            format, lints and all tests, on a real Docker engine that it starts'
	@echo 'make test-engines    a smoke suite on each kind of engine that the lab can start'
	@echo 'make release-check   the slower checks of a release: dependencies, book, static build, packages'
	@echo 'make demo            create a sandbox from a file, build and run an image, leave it running'
	@echo 'make demo-down       remove the sandbox of the demo'
	@echo 'make bench           compare with plain engine calls and docker compose'

test:
	@tests/run

test-engines:
	@tests/run engines

release-check:
	@.ci/release-check

demo:
	@examples/demo/run

demo-down:
	@examples/demo/run down

bench:
	@tests/run bench
