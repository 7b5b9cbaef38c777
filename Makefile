# Hermod. `make help` lists what there is.

SHELL := /bin/bash
.DEFAULT_GOAL := help

# Without these flags a function is twice as large.
LAMBDA_GOFLAGS := -tags=lambda.norpc -trimpath '-ldflags=-s -w'
FUNCTIONS := $(notdir $(patsubst %/main.go,%,$(wildcard functions/*/main.go)))
# The race detector needs a C compiler.
RACE := $(if $(shell command -v $${CC:-cc}),-race)
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.PHONY: help run test test-api test-cloud check lint bench fuzz build size start deploy clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: ## run everything on this machine: http://127.0.0.1:3000
	@go build -o bin/hermod ./cmd/hermod && exec ./bin/hermod serve

test: ## every test that needs Go alone
	go test $(RACE) ./...
ifneq ($(RACE),)
	go test ./test/faults # every step of it: with the race detector it takes a sample
endif

test-api: ## requests made from docs/openapi.yaml, by schemathesis
	test/api/run.sh

test-cloud: ## deploy template.yaml to an AWS emulator and test there
	test/cloud/run.sh

check: ## format, vet, lint, size and start of the functions
	@test -z "$$(git ls-files '*.go' | xargs gofmt -l | tee /dev/stderr)" || { echo 'not gofmt-ed'; exit 1; }
	go vet ./... && go vet -tags cloud ./...
	$(MAKE) --no-print-directory lint size start

lint: bin/golangci-lint ## golangci-lint
	bin/golangci-lint run --allow-parallel-runners --build-tags cloud

bin/golangci-lint: Makefile
	GOBIN=$(CURDIR)/bin go install $(GOLANGCI)

bench: ## measure: throughput, latency, fan-out, CPU an event
	@go build -o bin/hermod ./cmd/hermod && ./bin/hermod bench

fuzz: ## a minute for every fuzz test
	@test/fuzz.sh 60s

build: ## build the functions for AWS into .aws-sam
	CGO_ENABLED=0 GOFLAGS="$(LAMBDA_GOFLAGS)" sam build

size: ## build the functions for arm64 and check their size
	@mkdir -p bin/functions; for f in $(FUNCTIONS); do \
	  CGO_ENABLED=0 GOOS=linux GOARCH=arm64 GOFLAGS="$(LAMBDA_GOFLAGS)" go build -o bin/functions/$$f ./functions/$$f || exit 1; \
	  case $$f in deliver) limit=11000000 ;; universign) limit=10000000 ;; *) limit=9500000 ;; esac; \
	  size=$$(wc -c < bin/functions/$$f); printf '%-15s %9d bytes of %d\n' $$f $$size $$limit; \
	  if [ $$size -gt $$limit ]; then echo "$$f is too large"; exit 1; fi; \
	done

start: ## check how fast the function that delivers starts
	@mkdir -p bin/start; CGO_ENABLED=0 GOFLAGS="$(LAMBDA_GOFLAGS)" go build -o bin/start/deliver ./functions/deliver
	@go run ./test/start -limit 7ms bin/start/deliver

STAGE ?= default
deploy: build ## deploy to AWS: make deploy STAGE=prod
	sam deploy --config-env $(STAGE)

clean: ## remove what was built
	rm -rf bin .aws-sam
