#!/usr/bin/env bash
# Runs every fuzz test of the project for a while, as many at once as there are processors, each on one of them:
#
#   test/fuzz.sh 10s                 all of them
#   test/fuzz.sh 60s pkg/push ...    those of these packages
#
# Coverage guides it through the project's own code alone: `go test -fuzz` would build every dependency anew for that, and is eight times
# slower in what goes through the database. What it finds interesting goes to Go's own fuzz cache, and a failing input to testdata/fuzz of
# its package, to be committed with the mend. A line is printed for each; of one that fails, all it said and its input.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
for_each=${1:-10s}
shift || true
export for_each work cache
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
module=$(go list -m)
cache=$(go env GOCACHE)/fuzz/$module

one() { # package name
  local package=$1 name=$2 log=$work/$2.${1//\//.}
  cd "$package"
  # Before Go 1.27 a test whose time is up may say so as if it had failed (golang/go#75804); a real failure names its input or its line.
  if "$work/${package##*/}.test" -test.run='^$' -test.fuzz="^$name\$" -test.fuzztime="$for_each" -test.parallel=1 \
    -test.fuzzminimizetime=10s -test.fuzzcachedir="$cache/$package" >"$log" 2>&1 ||
    { grep -qx '    context deadline exceeded' "$log" && ! grep -qE 'Failing input|panic|_test.go:' "$log"; }; then
    printf 'ok    %s %s %s\n' "$package" "$name" "$(grep -o 'execs: [0-9]*' "$log" | tail -n 1)"
  else
    printf 'FAIL  %s %s\n' "$package" "$name"
    cat "$log"
    grep -oE "testdata/fuzz/$name/[0-9a-f]+" "$log" | sort -u | while read -r input; do echo "-- $package/$input"; cat "$input"; done || true
    return 1
  fi
}
export -f one

if [ $# -eq 0 ]; then
  mapfile -t packages < <(git grep -lE '^func Fuzz' -- '*_test.go' | xargs -n 1 dirname | sort -u)
  set -- "${packages[@]}"
fi
go test -c -gcflags="$module/...=-d=libfuzzer" -o "$work/" "${@/#/./}" >"$work/build" 2>&1 || { cat "$work/build"; exit 1; }
for package in "$@"; do
  grep -ohE '^func Fuzz[A-Za-z0-9_]+' "$package"/*_test.go | cut -c6- | sed "s|^|$package |" >>"$work/list"
done
echo "== built in ${SECONDS}s: $(wc -l <"$work/list") fuzz tests, $for_each each"
xargs -P "$(nproc)" -L 1 bash -c 'set -euo pipefail; one "$@"' one <"$work/list" || { echo "== a fuzz test has failed"; exit 1; }
echo "== done in ${SECONDS}s"
