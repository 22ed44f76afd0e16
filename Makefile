# as2drop: what there is to make. GNU make 4.3 or newer; only Go is needed for build, demo, test and race.
# On a machine without make, each line under a target can be typed as it stands.

SHELL = /bin/sh
GO ?= go

# Where the program goes. Git ignores it.
BINARY = bin/as2drop

# What make test-windows runs under Wine: the packages whose behaviour depends on the system.
WINDOWS_PACKAGES = ./internal/access ./internal/fsx ./internal/hooks ./internal/logfile ./internal/logs ./internal/service ./naming ./config ./ledger ./cmd/as2drop

# Of outbox and inbox all but the crash matrices: their disk is simulated and the same on every system. Of the agent
# what Windows does to open files, names, shares and events: the rest takes ten minutes there.
WINDOWS_MATRICES = Matrix|Mutation|Planted
WINDOWS_AGENT = StillOpen|InUse|Names|Beyond|OnAShare|Watcher|Heartbeat|SaysNothing

# Packages that must have a judge test; make judges finds all others by their build tag.
JUDGED_PACKAGES = ./cmd/as2drop ./config ./cms ./outbox ./internal/keys ./internal/judges ./internal/xmlstream ./internal/embedded ./internal/journal ./web/metrics

# make demo KEEP=1 leaves both agents running.
KEEP =

.PHONY: help
help: ## This list.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' Makefile | while IFS='|' read -r name text; do printf '%-20s %s\n' "$$name" "$$text"; done

.PHONY: demo
demo: build ## Two agents exchange an invoice and an order on loopback; KEEP=1 leaves them running.
	$(BINARY) demo $(if $(filter 1,$(KEEP)),--keep)

.PHONY: build
build: ## The program as it is released: bin/as2drop, static, without build paths in it.
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BINARY) ./cmd/as2drop

# make release SIGN=PROGRAM: a program that signs dist/SHA256SUMS.
SIGN =

.PHONY: release
release: ## Packages, archives, container images, checksums and SBOMs for Linux and Windows in dist. Needs git and Go, on Linux.
	$(GO) run ./internal/ci/release -out dist -sign '$(SIGN)'

.PHONY: test
test: ## All tests that need nothing but Go.
	$(GO) test -timeout 30m ./...

.PHONY: race
race: ## The same with the race detector, which needs a C compiler.
	CGO_ENABLED=1 $(GO) test -race -timeout 30m ./...

.PHONY: judges
judges: ## What others think of our messages: openssl cms, Java, pyas2-lib, the UBL and CII schemas, EN 16931, promtool, journalctl.
	.ci/judges.sh $(JUDGED_PACKAGES)

.PHONY: browser
browser: ## The console in a real Chromium: signing in, acting, without JavaScript, by keyboard, on a phone. Needs chromium.
	$(GO) test -count=1 -timeout 20m -tags browser ./internal/browsertest

.PHONY: screenshots
screenshots: ## The same, and docs/screenshots is written anew.
	$(GO) test -count=1 -timeout 20m -tags browser ./internal/browsertest -update

.PHONY: conformance
conformance: ## as2/CONFORMANCE.md against the texts in ../shared/spec, or in $AS2DROP_SPEC.
	$(GO) test -count=1 -tags spec ./internal/conformance

.PHONY: interop
interop: build ## The program against OpenAS2 and pyas2-lib as live peers, compared with docs/interop.md.
	.ci/interop.sh

.PHONY: interop-capture
interop-capture: build ## The same, and what the peers send becomes testdata/vectors; docs/interop.md is written anew.
	.ci/interop.sh -capture

# make soak TIME=15m SEED=7 RACE=1: for how long faults happen, which ones (0 = others each time), with the race detector.
TIME = 5m
SEED = 0
RACE =

.PHONY: soak
soak: ## Two agents, killed and harmed at random for TIME; every batch must end exactly once in the right place.
	$(GO) test -count=1 -timeout 0 -v ./internal/soak -run TestSoak -soak.time=$(TIME) -soak.seed=$(SEED) $(if $(filter 1,$(RACE)),-soak.race)

.PHONY: test-windows
test-windows: ## Tests of the packages that meet the system, as Windows programs under Wine.
	.ci/wine.sh $(WINDOWS_PACKAGES)
	.ci/wine.sh -skip '$(WINDOWS_MATRICES)' ./outbox ./inbox
	.ci/wine.sh -run '$(WINDOWS_AGENT)' ./agent

# make bench ROWS='Pair|Large': some of the tables alone. The other words make it shorter, or say with which keys
# the backlog is sent. TMPDIR says on which disk.
ROWS = .
DOCUMENTS = 2000
LARGE = 1073741824
SIZES = 1000,10000,100000
PARTNERS = 10,100,1000
IDLE = 1m

.PHONY: bench
bench: ## What it costs, against the limits of this machine; writes docs/performance.md. On a quiet machine only.
	$(GO) test -count=1 -timeout 0 -run '^$$' -bench '$(ROWS)' -benchtime 1x ./internal/bench -update -bits 2048 -documents $(DOCUMENTS) -large $(LARGE) -sizes $(SIZES) -partners $(PARTNERS) -idle $(IDLE)

# make bench-peers PEER_DOCUMENTS=200 PEER_ROUNDS=1 PEER_LARGE=10 PEER_LARGES=1: a short run. The large file is in MB.
PEER_DOCUMENTS = 1000
PEER_ROUNDS = 5
PEER_WARM = 300
PEER_LARGE = 100
PEER_LARGES = 3

.PHONY: bench-peers
bench-peers: build ## The program beside OpenAS2 and pyas2-lib, taking turns; writes tables of docs/performance.md. On a quiet machine only.
	.ci/bench-peers.sh -update -documents $(PEER_DOCUMENTS) -rounds $(PEER_ROUNDS) -warm $(PEER_WARM) -large $(PEER_LARGE) -larges $(PEER_LARGES)

.PHONY: bench-memory
bench-memory: ## Seals and opens 3 GiB and says how much memory that took at the most.
	$(GO) test -run '^$$' -bench 3GiB -benchtime 1x ./cms

.PHONY: ci
ci: ## Everything that runs on every push; installs what it needs with apt.
	.ci/run
