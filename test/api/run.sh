#!/usr/bin/env bash
# Checks docs/openapi.yaml by the rules of OpenAPI 3.1, then runs schemathesis against `hermod serve` on loopback: requests made from
# it, good ones and bad ones, none of which may be answered by a fault or by anything that the description does not say.
#
#   test/api/run.sh                   everything
#   test/api/run.sh OPTIONS ...       the same with options of `schemathesis run`, such as --include-tag Events
#
# The node, its data and its log are in test/api/.run and made anew each time; test/api/.venv is kept.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
run=$PWD/test/api/.run venv=$PWD/test/api/.venv
export PYTHONDONTWRITEBYTECODE=1

rm -rf "$run"
mkdir -p "$run"

# ---- tools, pinned
wanted=$(cat test/api/requirements.txt test/api/constraints.txt | sha256sum)
if [ "$(cat "$venv/hermod-requirements" 2>/dev/null)" != "$wanted" ]; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q -r test/api/requirements.txt -c test/api/constraints.txt >"$run/pip.log" 2>&1 || { cat "$run/pip.log" >&2; exit 1; }
  echo "$wanted" >"$venv/hermod-requirements"
fi

# ---- the description itself
"$venv/bin/python" test/api/description.py docs/openapi.yaml

# ---- start
go build -o "$run/hermod" ./cmd/hermod
# Nothing listens there: what is pushed to a cloud is refused on this machine. The credentials are made up.
nowhere=http://127.0.0.1:9
AWS_ACCESS_KEY_ID=made AWS_SECRET_ACCESS_KEY=up AWS_REGION=eu-west-1 \
HERMOD_TEST_ENDPOINTS=amazonaws.com=$nowhere,servicebus.windows.net=$nowhere,servicebus.chinacloudapi.cn=$nowhere,servicebus.usgovcloudapi.net=$nowhere \
  "$run/hermod" serve -addr 127.0.0.1:0 -data "$run/data" -log error -mint-url "$nowhere/{flowId}" -aws-role-prefix hermod- >"$run/serve.log" 2>"$run/serve.err" &
node=$!
stop() {
  local status=$?
  trap - EXIT INT TERM
  kill "$node" 2>/dev/null || true
  wait "$node" 2>/dev/null || true
  if [ $status -ne 0 ]; then
    echo "== the last lines of the node's log of errors (all of them: test/api/.run/serve.err)"
    tail -n 20 "$run/serve.err" | cut -c 1-1000 || true
  fi
  exit $status
}
trap stop EXIT
trap 'exit 130' INT TERM
for _ in $(seq 100); do
  HERMOD_URL=$(sed -n 's/^hermod ready //p' "$run/serve.log")
  [ -n "$HERMOD_URL" ] && break
  kill -0 "$node" 2>/dev/null || { cat "$run/serve.err" >&2; exit 1; }
  sleep 0.1
done
HERMOD_TOKEN=$(curl -sSf "$HERMOD_URL/auth/open/connect/token" -d grant_type=client_credentials \
  -d client_id=local -d client_secret=local-secret | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
HERMOD_TELIA_TOKEN=$(curl -sSf "$HERMOD_URL/identity/login" -H 'Content-Type: application/json' -H 'Ocp-Apim-Subscription-Key: local-key' \
  -d '{"login":"local","password":"local-secret","tenantid":"11111111-1111-4111-8111-111111111111"}' | sed 's/.*"token":"\([^"]*\)".*/\1/')
export HERMOD_URL HERMOD_TOKEN HERMOD_TELIA_TOKEN HERMOD_RUN=$run

# ---- use
cd test/api # schemathesis reads its configuration and its hooks here
try() { "$venv/bin/schemathesis" run "$HERMOD_URL/openapi.yaml" --no-color "$@" || failed=1; }
failed=0
if [ $# -gt 0 ]; then
  try "$@"
else
  try --phases examples,coverage,fuzzing
  # Each API by itself: what one answers is nothing to go on with in another.
  for one in Telia\ Sign Universign Signly; do
    try --phases stateful --include-tag "$one"
  done
  try --phases stateful --exclude-tag "Telia Sign" --exclude-tag Universign --exclude-tag Signly
fi
cd - >/dev/null
[ $failed = 0 ]

# A fault that no answer showed still stands in the log.
if [ -s "$run/serve.err" ]; then
  echo 'the node has logged errors'
  exit 1
fi
