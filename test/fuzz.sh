#!/usr/bin/env bash
# Runs every fuzz test of the project for a while: test/fuzz.sh 10s
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
for_each=${1:-10s}
for package in $(git grep -lE '^func Fuzz' -- '*_test.go' | xargs -n1 dirname | sort -u); do
  for name in $(grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$package"/*_test.go | cut -c6-); do
    echo "== $package $name"
    go test "./$package" -run '^$' -fuzz "^$name\$" -fuzztime "$for_each"
  done
done
