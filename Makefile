# make build   ./dbctl
# make sample  ./sample: the six Parquet feeds of CityDrive
# make demo    the CityDrive guide end to end on a real engine, from nothing
# make test    what CI runs: format, vet, staticcheck, tidy, and every test with the race detector
# make check   the same without the tests
# make bench   the benchmarks: requests, ratios, start-up time, size
# make proof   the long proofs (random, kill and race), hours instead of minutes
# make clean   what the others left behind

SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: build sample demo test check bench proof clean

# Arrow and its JSON come with databend-go and are never called (dbctl asks for rows as JSON): without inlining they are 0.4 MB less.
# What is read once, at the start, or waits for a server anyway does without it too: 0.2 MB less.
SIZE := -trimpath -ldflags='-s -w' -gcflags='github.com/apache/arrow-go/v18/...=-l' -gcflags='github.com/goccy/go-json/...=-l' \
	-gcflags='github.com/goccy/go-yaml/...=-l' -gcflags='github.com/BurntSushi/toml/...=-l' \
	-gcflags='github.com/pressly/goose/v3/...=-l' -gcflags='github.com/klauspost/compress/...=-l' -gcflags='github.com/spf13/pflag=-l' \
	-gcflags='github.com/johannesboyne/gofakes3/...=-l' -gcflags='text/template/...=-l'
BIN := dbctl
build:
	go build $(SIZE) -o $(BIN) ./cmd/dbctl

sample:
	go run ./cmd/citydrive-sample --out sample

demo: build
	demo/run.sh

check:
	@files=$$(go tool gofumpt -l .); if [ -n "$$files" ]; then echo "not formatted (go tool gofumpt -w .):"; echo "$$files"; exit 1; fi
	go vet ./...
	go tool staticcheck ./...
	go mod tidy -diff

# A test that finds no engine fails here instead of being skipped.
test: check
	DBCTL_REQUIRE_ENGINE=1 go test -race -timeout 30m ./...

bench:
	DBCTL_REQUIRE_ENGINE=1 go test -run '^$$' -bench . -benchtime 1x -timeout 60m ./...

proof:
	DBCTL_REQUIRE_ENGINE=1 DBCTL_PROOF=full go test -count 1 -p 1 -timeout 12h -v ./internal/proof ./internal/savepoint ./internal/migrate ./internal/load

clean:
	@[ ! -x dbctl ] || { ./dbctl -e local dev stop; [ ! -d .demo ] || ./dbctl -C .demo -e local dev stop; }
	rm -rf dbctl bin sample .dbctl .demo
	go clean -testcache
