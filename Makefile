# Two commands do everything: `make demo` and `make test`. The rest are their parts.

GO       ?= go
BIN      := $(CURDIR)/bin
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS   = -X memvip/agent.stamped=$(VERSION)
LAB_ENV  := MEMVIP_BIN=$(BIN)

.PHONY: build demo test check unit sim integration bench bench-peers bench-lease bench-size soak faults fuzz packages packages-check package-test clean need-demo need-test need-bench-peers need-packages need-package-test

## build: the two programs, in bin/
build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ ./cmd/...

## demo: three hosts, real memcached, a failover and a hand-back before your eyes
demo: need-demo build
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/demo ./integration/demo
	$(LAB_ENV) $(BIN)/demo

## test: all tests; CI runs these and, where containers can boot, package-test
test: need-test check unit sim integration

## check: formatting, vet, lint; no root, no network
check:
	@bad=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
	  test -z "$$bad" || { echo "gofmt would change: $$bad"; exit 1; }
	@! grep -rnE '\bt\.Skip|b\.Skip|f\.Skip' --include='*_test.go' . || { echo "a skipped test is a red test"; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags integration ./integration/...
	$(GO) vet -tags faults ./agent ./vip
	$(GO) vet -tags package ./packaging ./integration/installed
	$(GO) tool staticcheck -tags integration ./...

## unit: every package's own tests, with the race detector; the simulator's deliberate faults are sim's
unit:
	$(GO) test -race -shuffle=on -timeout 8m -skip TestFaultsAreCaught ./...

## sim: a thousand bad days in the simulator, drills, and the deliberate faults that it notices soon
sim:
	$(GO) test -timeout 15m ./agent/sim

## soak: bad days for FOR, from seed FROM, on all cores; more with SOAK='-go-on' and the like
FOR  ?= 10m
FROM ?= 1
soak:
	$(GO) run ./agent/sim/soak -for $(FOR) -from $(FROM) $(SOAK)

## faults: write anew how soon the simulator notices each deliberate fault
faults:
	$(GO) test -timeout 2h ./agent/sim -run TestFaultsAreCaught -v -all-faults

## integration: real agents and memcacheds in network namespaces. What failed is told again at the end, all the rest is in
## bin/integration.json. A few failures are tried again alone, up to twice: the machine may have stood still for a lease
RERUN := --rerun-fails=2 --rerun-fails-max-failures=6 --rerun-fails-report $(BIN)/integration-again.txt
integration: need-bench-peers build
	$(LAB_ENV) $(GO) tool gotestsum --format testname --jsonfile $(BIN)/integration.json $(RERUN) --packages ./integration/... -- \
	  -tags integration -count=1 -timeout 20m -p 1 -parallel 3

## bench: outage per fault as a client sees it
bench: need-demo build
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/bench ./integration/bench
	$(LAB_ENV) $(BIN)/bench $(BENCH)

# What is measured over hours goes on after a commit that leaves the programs as they are.
PROGRAM := cmd agent configs flush health vip go.mod go.sum ':!*_test.go'
bench-peers bench-lease bench-size: VERSION = $(shell git log -1 --format=%h -- $(PROGRAM))$(shell git diff --quiet HEAD -- $(PROGRAM) || echo -dirty)

## bench-peers: the same beside keepalived, what managers cost and how they stand busy loops; writes BENCHMARKS.md. It may
## be stopped, and goes on where it was. More runs: BENCH='-runs 40'
PEERS := -contender all -fault memcached-kill,memcached-kill-big,memcached-hang,host-cut,host-freeze,manager-kill,manager-stop,planned-move,hand-back
PEERS += -runs 20 -fill 4096 -steady 60s -burn 30m -burn-contender memvip,keepalived-tuned,keepalived-limit -json $(BIN)/bench-peers.json -page BENCHMARKS.md
bench-peers: need-bench-peers build
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/bench ./integration/bench
	$(LAB_ENV) $(BIN)/bench $(PEERS) $(BENCH)

## bench-lease: how short a lease stays safe under load; goes on where it was stopped
bench-lease: need-demo build
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/bench-lease ./integration/bench/lease
	$(LAB_ENV) $(BIN)/bench-lease -page BENCHMARKS.md $(BENCH)

## bench-size: what a node and a failure cost as the cluster grows; goes on where it was stopped
bench-size: need-demo build
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/bench-size ./integration/bench/size
	$(LAB_ENV) $(BIN)/bench-size -page BENCHMARKS.md $(BENCH)

## fuzz: every fuzz target for FUZZTIME each
FUZZTIME ?= 20s
fuzz:
	@for d in $$(grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u); do \
	  for f in $$(grep -rhoE '^func Fuzz[A-Za-z0-9]+' $$d/*_test.go | sed 's/^func //'); do \
	    echo "$$d $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$d || exit 1; \
	  done; done

## packages: .deb and .rpm for amd64 and arm64, in bin/packages/; the same bytes for the same commit
packages:
	$(GO) run ./packaging/build -out $(BIN)/packages

## packages-check: that the packages are made the same twice, hold what they should, and please lintian and its like
packages-check: need-packages
	$(GO) test -tags package -count=1 -timeout 10m ./packaging

## package-test: the package on three Debian hosts that systemd runs, from installing to purging it; as root
package-test: need-package-test
	cd integration/installed && $(GO) test -tags package -count=1 -timeout 20m

clean:
	rm -rf $(BIN)

# What a machine needs beside Go, make and git.
need-demo:
	@.ci/need memcached ip -- memcached iproute2
need-bench-peers: need-demo
	@.ci/need keepalived bash -- keepalived bash
need-test: need-bench-peers
	@.ci/need gcc /usr/include/stdio.h nft systemd-analyze promtool -- gcc libc6-dev nftables systemd prometheus
need-packages:
	@.ci/need lintian rpm mandoc man shellcheck zsh fish systemd-analyze -- lintian rpm mandoc man-db shellcheck zsh fish systemd
need-package-test: need-demo
	@.ci/need debootstrap systemd-nspawn /usr/share/keyrings/debian-archive-keyring.gpg -- debootstrap systemd-container debian-archive-keyring

SHELL := /bin/bash
