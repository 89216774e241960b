# "make" lists the targets. Variables that may be set: see each target.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS   += --no-print-directory
.DEFAULT_GOAL := help

GO  ?= go
PKG ?= ./...

# The binary is stamped below; Go's own stamp fails where git is absent or
# distrusts the folder.
export GOFLAGS := $(strip $(GOFLAGS) -buildvcs=false)

VERSION ?= $(or $(shell git describe --tags --dirty 2>/dev/null),dev)
COMMIT  ?= $(or $(shell git rev-parse --short=12 HEAD 2>/dev/null),unknown)
DATE    ?= $(or $(shell TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd 2>/dev/null),unknown)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/ferryman, static and stamped (VERSION, COMMIT, DATE)
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/ferryman \
		-ldflags '-s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT) -X main.date=$(DATE)' ./cmd/ferryman

PREFIX ?= /usr/local
.PHONY: install
install: build ## install ferryman, and dbsync2 and dbsync as names of it (PREFIX, DESTDIR)
	install -d "$(DESTDIR)$(PREFIX)/bin"
	install -m 755 bin/ferryman "$(DESTDIR)$(PREFIX)/bin/ferryman"
	ln -sfn ferryman "$(DESTDIR)$(PREFIX)/bin/dbsync2"
	ln -sfn ferryman "$(DESTDIR)$(PREFIX)/bin/dbsync"

.PHONY: run
run: build ## build and start the server with simulated upstreams on 127.0.0.1:8080 (ARGS)
	@exec bin/ferryman serve --sandbox $(ARGS)

# ---- tests ------------------------------------------------------------------

# scripts/testdb starts the database servers (installing what is missing) and
# stops them when the command has ended, whatever its end.
WITH_DB := FERRYMAN_TEST_REQUIRE_DB=1 scripts/testdb run

# What hangs ends after that; a package takes up to five minutes beside others on two cores,
# and more where something else is built or tested beside.
TESTFLAGS ?= -timeout=20m
.PHONY: test
test: check ## check formatting, vet, run all tests (PKG, TESTFLAGS)
	@$(WITH_DB) -- $(MAKE) --keep-going test-race test-e2e

PKGS     = $(shell $(GO) list $(PKG))
E2E_PKGS = $(filter ferryman/internal/e2e%,$(PKGS))

# SQLite is C turned into Go, which the detector and the compiler's checks of
# pointers slow down threefold: they watch our code and all else, but for it.
.PHONY: test-race
test-race:
	@pkgs='$(filter-out $(E2E_PKGS),$(PKGS))'; [[ -z $$pkgs ]] || \
		CGO_ENABLED=1 $(GO) test -race '-gcflags=modernc.org/...=-race=false -d=checkptr=0' $(TESTFLAGS) $$pkgs

# They watch another process, the built binary: the race detector would find nothing
# in it and double their time.
.PHONY: test-e2e
test-e2e:
	@pkgs='$(E2E_PKGS)'; [[ -z $$pkgs ]] || { \
		if [[ " $$pkgs " == *' ferryman/internal/e2e/packages '* ]]; then env=$$($(MAKE) -s packages-env); eval "$$env"; fi; \
		CGO_ENABLED=0 $(GO) test $(TESTFLAGS) $$pkgs; }

# What the tests of the packages need, which takes root: without it they are skipped.
.PHONY: packages-env
packages-env:
	@if ((EUID)); then echo 'not root: the packages are not tested' >&2; else \
		$(MAKE) -s $(RELEASER) >&2; root=$$(scripts/debroot path); \
		printf 'export FERRYMAN_TEST_GORELEASER=%q FERRYMAN_TEST_DEBIAN_ROOT=%q\n' '$(RELEASER)' "$$root"; fi

CHAOS_SEED   ?= 0
CHAOS_ROUNDS ?= 100
CHAOS_OTHERS ?= 10
.PHONY: chaos
chaos: ## treat nodes and their database badly under load and report in bin/chaos.md (CHAOS_SEED, CHAOS_ROUNDS, CHAOS_OTHERS)
	@mkdir -p bin && rm -f bin/chaos.md
	@FERRYMAN_TEST_REQUIRE_DB=1 $(GO) test -count=1 -timeout=3h -v -run '^Test(Proxy|Chaos|Disk|Clock)$$' ./internal/e2e/chaos \
		-seed $(CHAOS_SEED) -rounds $(CHAOS_ROUNDS) -others $(CHAOS_OTHERS) -report "$(CURDIR)/bin/chaos.md" $(CHAOSFLAGS)

.PHONY: check
check:
	@unformatted=$$(gofmt -l .); if [[ $$unformatted ]]; then \
		printf 'not formatted, "make fmt" does it:\n%s\n' "$$unformatted" >&2; exit 1; fi
	@$(GO) vet $(PKG)
	@CGO_ENABLED=0 GOOS=windows $(GO) build -trimpath ./cmd/ferryman ./internal/app # which differs most

BENCH ?= .
.PHONY: bench
bench: ## run the benchmarks on servers with their default durability (PKG, BENCH, BENCHFLAGS)
	@$(WITH_DB) --durable -- $(GO) test -run '^$$' -bench '$(BENCH)' -benchmem $(BENCHFLAGS) $(PKG)

SOAK ?= 1h
.PHONY: soak
soak: ## keep three nodes under load for SOAK and write docs/soak.md
	@$(WITH_DB) --durable -- $(GO) test -count=1 -timeout=0 -run '^TestSoak$$' ./internal/e2e/soak -soak '$(SOAK)' -report '$(CURDIR)/docs/soak.md'

.PHONY: screenshots
screenshots: ## take the pictures in docs/images anew, of a sandbox in Chromium
	@FERRYMAN_TEST_REQUIRE_DB=1 $(GO) test -count=1 -timeout=10m -run '^TestPictures$$' ./internal/e2e/browser -pictures "$(CURDIR)/docs/images"

FUZZTIME ?= 10s
.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME (PKG)
	@$(GO) list -f '{{range .TestGoFiles}}{{$$.Dir}}/{{.}}{{"\n"}}{{end}}{{range .XTestGoFiles}}{{$$.Dir}}/{{.}}{{"\n"}}{{end}}' $(PKG) | \
		xargs -r grep -HoE '^func Fuzz\w*' | while IFS=: read -r file func; do \
			$(GO) test -run '^$$' -fuzz "^$${func#func }$$" -fuzztime $(FUZZTIME) "$${file%/*}"; done

# ---- the code's looks -------------------------------------------------------

# The linter is built once for its version and Go's, and shared by all checkouts.
LINT_VERSION := v2.15.0
TOOLS := $(or $(XDG_CACHE_HOME),$(if $(HOME),$(HOME)/.cache),$(CURDIR)/bin)/ferryman-tools
LINT   = $(TOOLS)/golangci-lint-$(LINT_VERSION)-$(shell $(GO) env GOVERSION)

.PHONY: lint
lint: ## run the linters of .golangci.yml (PKG)
	@$(MAKE) -s $(LINT)
	@$(LINT) run --allow-parallel-runners $(PKG)

.PHONY: fmt
fmt: ## format the code
	@$(MAKE) -s $(LINT)
	@$(LINT) fmt

$(TOOLS)/golangci-lint-%:
	@echo 'building golangci-lint $(LINT_VERSION), once' >&2
	@mkdir -p $(TOOLS) && new=$$(mktemp -d $(TOOLS)/new.XXXXXX) && trap "rm -rf $$new" EXIT && \
		CGO_ENABLED=0 GOFLAGS= GOBIN=$$new $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION) && \
		mv $$new/golangci-lint $@

# Newer ones need a module that cannot be had.
VULN_VERSION := v1.8.0
VULN = $(TOOLS)/govulncheck-$(VULN_VERSION)-$(shell $(GO) env GOVERSION)

.PHONY: vulns
vulns: ## look for known vulnerabilities in what is built in (VULNDB, VULNS=required)
	@$(MAKE) -s $(VULN)
	@scripts/vulns $(VULN) ./cmd/...

$(TOOLS)/govulncheck-%:
	@echo 'building govulncheck $(VULN_VERSION), once' >&2
	@mkdir -p $(TOOLS) && new=$$(mktemp -d $(TOOLS)/new.XXXXXX) && trap "rm -rf $$new" EXIT && \
		CGO_ENABLED=0 GOFLAGS= GOBIN=$$new $(GO) install golang.org/x/vuln/cmd/govulncheck@$(VULN_VERSION) && \
		mv $$new/govulncheck $@

# ---- releases ---------------------------------------------------------------

# Newer ones need a module that cannot be had, or a newer Go.
RELEASER_VERSION := v2.16.0
RELEASER = $(TOOLS)/goreleaser-$(RELEASER_VERSION)-$(shell $(GO) env GOVERSION)

# goreleaser wants a remote of the repository, which a checkout need not have.
release: export GIT_CONFIG_COUNT = 1
release: export GIT_CONFIG_KEY_0 = remote.origin.url
release: export GIT_CONFIG_VALUE_0 = .

# A commit without a tag, or with changes, gives a snapshot.
.PHONY: release
release: ## build archives, packages, checksums and SBOMs of all platforms into dist
	@$(MAKE) -s $(RELEASER)
	@if git describe --exact-match --tags HEAD >/dev/null 2>&1 && [[ -z $$(git status --porcelain) ]]; then \
		$(RELEASER) release --clean; else $(RELEASER) release --clean --snapshot; fi

.PHONY: licences
licences: ## write THIRD_PARTY_LICENSES anew, after a change of go.mod
	@$(GO) run ./internal/tools/notices >THIRD_PARTY_LICENSES.new && mv THIRD_PARTY_LICENSES.new THIRD_PARTY_LICENSES

$(TOOLS)/goreleaser-%:
	@echo 'building goreleaser $(RELEASER_VERSION), once' >&2
	@mkdir -p $(TOOLS) && new=$$(mktemp -d $(TOOLS)/new.XXXXXX) && trap "rm -rf $$new" EXIT && \
		CGO_ENABLED=0 GOFLAGS=-trimpath GOBIN=$$new $(GO) install github.com/goreleaser/goreleaser/v2@$(RELEASER_VERSION) && \
		mv $$new/goreleaser $@

.PHONY: clean
clean: ## delete what was built, and the test servers with their data
	rm -rf bin dist coverage.out
	scripts/debroot purge
	scripts/testdb purge
