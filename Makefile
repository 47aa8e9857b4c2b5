# make build   ./dbctl
# make sample  ./sample: the six Parquet feeds of CityDrive
# make demo    the example CityDrive end to end on a real engine, from nothing
# make test    what CI runs: format, vet, staticcheck, tidy, and every test
# make check   the same without the tests
# make race    with the race detector those tests that make test runs without
# make bench   the benchmarks: requests, ratios, start-up time, size
# make proof   the long proofs (random, kill and race), hours instead of minutes
# make clean   what the others left behind

SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: build sample demo test check race bench proof clean

BIN := dbctl
build:
	go build -trimpath -ldflags='-s -w' -o $(BIN) ./cmd/dbctl

sample:
	go run ./cmd/citydrive-sample --out sample

demo: build
	demo/run.sh

check:
	@files=$$(go tool gofumpt -l .); if [ -n "$$files" ]; then echo "not formatted (go tool gofumpt -w .):"; echo "$$files"; exit 1; fi
	go vet ./...
	go tool staticcheck ./...
	go mod tidy -diff
	@$(MAKE) -s $(LINT)/done
	$(LINT)/bin/ruff check -q --no-cache --config internal/local/pyproject.toml $(PYTHON_FILES)
	cd internal/local && $(LINT)/bin/mypy --no-error-summary --cache-dir $(LINT)/mypy front ../databendtest/faults.py

# ruff and mypy, in the versions of lint.txt, installed once per user.
LINT := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/dbctl/lint-$(shell cksum < internal/local/lint.txt | tr ' ' -)
PYTHON_FILES := internal/local/front internal/databendtest/faults.py
$(LINT)/done:
	python3 -m venv $(LINT)
	$(LINT)/bin/pip install -q --disable-pip-version-check --no-deps --require-hashes --only-binary=:all: -r internal/local/lint.txt
	touch $@

# A test that finds no engine fails here instead of being skipped. Tests mostly wait for the engine: eight at a time, whatever the cores.
# check has vetted all of it already. The race detector costs a tenth of the time of tests that ask the engine, and makes our own code four
# times as dear: the four packages that try what the engine does go without it, and two that compute and start no goroutine; the tests of
# cli take it over the whole product, and `make race` over those six. They go one behind the other: two engines at once on two cores take
# a fifth longer than one after the other. The others mostly wait, and go four at a time. With the race detector a process sleeps for a
# second at its end, and the tests start dbctl a hundred times: not here.
TEST := DBCTL_REQUIRE_ENGINE=1 go test -vet=off -timeout 30m -parallel 8
RACE := GORACE=atexit_sleep_ms=0 $(TEST) -race
PLAIN := internal/load internal/migrate internal/proof internal/savepoint internal/project internal/sqltext
OTHER = $(filter-out $(addprefix %/,$(PLAIN)),$(shell go list ./...))
test: check
	@failed=; $(RACE) -p 4 $(OTHER) || failed=1; $(TEST) -p 1 $(addprefix ./,$(PLAIN)) || failed=1; [ -z "$$failed" ]
	@for shell in zsh fish; do command -v $$shell >/dev/null || echo "NOT TESTED: completion in $$shell, which is not installed here"; done

race:
	$(RACE) -p 1 $(addprefix ./,$(PLAIN))

bench:
	DBCTL_REQUIRE_ENGINE=1 go test -run '^$$' -bench . -benchtime 1x -timeout 60m ./...

proof:
	DBCTL_REQUIRE_ENGINE=1 DBCTL_PROOF=full go test -count 1 -p 1 -timeout 12h -v ./internal/proof ./internal/savepoint ./internal/migrate ./internal/load

clean:
	@[ ! -x dbctl ] || { ./dbctl -e local dev stop; [ ! -d .demo ] || ./dbctl -C .demo -e local dev stop; }
	rm -rf dbctl bin sample .dbctl .demo
	go clean -testcache
