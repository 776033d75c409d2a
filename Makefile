# The front door. `make help` lists everything there is; CI runs what `make check` runs.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

# Arguments for `make run`, as in `make run ARGS=--help`.
ARGS ?=

# need PROGRAM HOW: stops with a word about how to get PROGRAM unless it is there.
need = @command -v $(1) >/dev/null || { echo "make: $(1) is needed: $(2)" >&2; exit 1; }
need_rust = $(call need,cargo,install Rust from https://rustup.rs)
need_component = @cargo $(1) --version >/dev/null 2>&1 || { echo "make: cargo $(1) is needed: rustup component add $(2)" >&2; exit 1; }
need_go = $(call need,go,install Go 1.26 or later from https://go.dev/doc/install)
need_git = $(call need,git,install it with your system's package manager)
need_ssh_keygen = $(call need,ssh-keygen,install OpenSSH with your system's package manager)
# Servers are often out of users' PATH.
need_sshd = @PATH="$$PATH:/usr/sbin:/usr/local/sbin:/sbin" command -v sshd >/dev/null || { echo "make: sshd is needed and need not run: install openssh-server with your system's package manager" >&2; exit 1; }

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: check
check: fmt-check lint deny test ## everything that CI checks

.PHONY: fmt
fmt: ## format the sources
	$(need_rust)
	$(call need_component,fmt,rustfmt)
	cargo fmt --all

.PHONY: fmt-check
fmt-check: ## fail if a source is not formatted
	$(need_rust)
	$(call need_component,fmt,rustfmt)
	cargo fmt --all --check

.PHONY: lint
lint: ## clippy, where a warning is an error
	$(need_rust)
	$(call need_component,clippy,clippy)
	cargo clippy --locked --workspace --all-targets -- -D warnings

.PHONY: deny
deny: ## licenses, sources and duplicates of the dependencies
	$(need_rust)
	@.ci/deny

.PHONY: stack
stack: ## build the servers that the tests need (minutes, once)
	$(need_go)
	@tests/stack/build.sh

.PHONY: test
test: stack ## every test: unit, property, documentation, integration
	$(need_rust)
	$(need_git)
	$(need_ssh_keygen)
	$(need_sshd)
	cargo test --locked --workspace --doc
	@# `--examples` builds their tests; the demo's test runs the demo itself.
	cargo build --locked --example demo
	cargo test --locked --workspace --lib --bins --tests --examples

.PHONY: test-core
test-core: ## the tests of the pure part only (seconds)
	$(need_rust)
	cargo test --locked -p image-update-core

.PHONY: generate
generate: stack ## write the generated files anew: CRDs, roles, install.yaml, reference pages
	$(need_rust)
	UPDATE_GOLDENS=1 cargo test --locked --test it generated

.PHONY: golden
golden: stack ## write the expected output of the golden tests anew, and show what changed
	$(need_rust)
	UPDATE_GOLDENS=1 cargo test --locked --workspace
	git --no-pager diff --stat

.PHONY: demo
demo: ## install the chart and see one update from a pushed image to a commit; KEEP=1 stays up
	$(need_rust)
	$(need_go)
	$(need_git)
	@tests/stack/build.sh etcd kube-apiserver registry helm kubectl
	cargo build --locked --bin image-update-operator --example demo
	cargo run --locked --quiet --example demo -- $(if $(KEEP),--keep)

.PHONY: image
image: ## build the image of the Dockerfile without a daemon, look into it and run it (as root)
	$(need_rust)
	$(call need,buildah,install it with your system's package manager)
	$(call need,bwrap,install bubblewrap with your system's package manager)
	@scripts/image.sh

.PHONY: run
run: ## run the operator with ARGS
	$(need_rust)
	cargo run --locked -- $(ARGS)

.PHONY: bench
bench: ## run the benchmarks
	$(need_rust)
	cargo bench --locked --workspace

.PHONY: clean
clean: ## remove what cargo built; the test stack stays in the user's cache folder
	$(need_rust)
	cargo clean
