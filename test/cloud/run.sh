#!/usr/bin/env bash
# Deploys template.yaml to an AWS emulator on loopback and runs the tests that need it:
#
#   test/cloud/run.sh                 lint, build, deploy, go test -tags cloud of the packages that have such tests
#   test/cloud/run.sh COMMAND ...     lint, build, deploy, and that command instead
#
# The emulator enforces IAM, so every call the functions make is checked against their roles. All state is in test/cloud/.run and
# made anew each time; .venv and test/cloud/node_modules are kept. VERBOSE=1 shows what the tools print.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
root=$PWD run=$PWD/test/cloud/.run

say() { printf '== %s (%ss)\n' "$*" "$SECONDS"; }
quietly() { # runs a command; its output is shown if it fails
  if [ -n "${VERBOSE:-}" ]; then "$@"; else "$@" >"$run/step.log" 2>&1 || { cat "$run/step.log" >&2; return 1; }; fi
}

rm -rf "$run"
mkdir -p "$run"

# ---- tools, pinned
say "tools"
wanted=$(cat test/cloud/requirements.txt test/cloud/constraints.txt | sha256sum)
if [ "$(cat .venv/hermod-requirements 2>/dev/null)" != "$wanted" ]; then
  rm -rf .venv
  python3 -m venv .venv
  quietly .venv/bin/pip install -r test/cloud/requirements.txt -c test/cloud/constraints.txt
  echo "$wanted" >.venv/hermod-requirements
fi
for folder in test/cloud test/oracle; do
  if ! cmp -s $folder/package-lock.json $folder/node_modules/installed-lock.json; then
    quietly npm ci --prefix $folder --no-audit --no-fund
    cp $folder/package-lock.json $folder/node_modules/installed-lock.json
  fi
done
export PATH=$root/.venv/bin:$PATH SAM_CLI_TELEMETRY=0

# ---- lint and build
say "cfn-lint"
for gradual in false true; do # true adds what CodeDeploy needs
  sed "/^  GradualDeployment:/,/Description:/s/Default: .*/Default: '$gradual'/" template.yaml >"$run/lint.yaml"
  cfn-lint --regions us-east-1 eu-west-1 --template "$run/lint.yaml"
done

case $(uname -m) in
  x86_64) export HERMOD_CLOUD_ARCHITECTURE=x86_64 ;;
  *) export HERMOD_CLOUD_ARCHITECTURE=arm64 ;;
esac
say "sam build ($HERMOD_CLOUD_ARCHITECTURE)"
flags="-tags=lambda.norpc -trimpath '-ldflags=-s -w'" # without them the binaries are twice as large
GOFLAGS=$flags CGO_ENABLED=0 go build -o /dev/null ./functions/... # sam build hides what the compiler says
GOFLAGS=$flags CGO_ENABLED=0 quietly sam build --parallel --build-dir "$run/build" \
  --parameter-overrides "Stage=emulator Architecture=$HERMOD_CLOUD_ARCHITECTURE"

# ---- start
say "emulator"
read -r port dynoxide_port front_port clouds_port < <(python3 - <<'PYTHON'
import socket
held = [socket.socket() for _ in range(4)]
for s in held: s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in held))
PYTHON
)
export AWS_ENDPOINT_URL=http://127.0.0.1:$port AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_EC2_METADATA_DISABLED=true
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
unset AWS_PROFILE AWS_SESSION_TOKEN
# Where the end-to-end suite listens: as the domain of the API, and in the place of the hosts of all clouds.
export HERMOD_CLOUD_FRONT=127.0.0.1:$front_port HERMOD_CLOUD_CLOUDS=127.0.0.1:$clouds_port
export HERMOD_DYNOXIDE_URL=http://127.0.0.1:$dynoxide_port HERMOD_STACK_OUTPUTS=$run/outputs.json

started=()
stop() {
  local status=$?
  trap - EXIT INT TERM
  python test/cloud/logs.py >"$run/functions.log" 2>/dev/null || true
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
  if [ $status -ne 0 ]; then
    say "failed; the last lines of the emulator and of the functions (all of them: test/cloud/.run/*.log)"
    tail -n 20 "$run/ministack.log" || true
    tail -n 40 "$run/functions.log" || true
  fi
  exit $status
}
trap stop EXIT
trap 'exit 130' INT TERM

mkdir -p "$run/tmp"
# AUTH: IAM is enforced. The two listeners that are switched off would bind all interfaces.
env AUTH=true BIND_HOST=127.0.0.1 MINISTACK_HOST=127.0.0.1 GATEWAY_PORT="$port" IOT_MTLS_ENABLED=0 SFTP_ENABLED=0 \
  PERSIST_STATE=0 TMPDIR="$run/tmp" S3_DATA_DIR="$run/s3" STATE_DIR="$run/state" LAMBDA_WARM_TTL_SECONDS=600 \
  ministack >"$run/ministack.log" 2>&1 &
started+=($!)
test/cloud/node_modules/@dynoxide/linux-x64/dynoxide serve --host 127.0.0.1 --port "$dynoxide_port" >"$run/dynoxide.log" 2>&1 &
started+=($!)
for _ in $(seq 150); do
  if curl -fs -o /dev/null "$AWS_ENDPOINT_URL/_ministack/health" && curl -s -o /dev/null "$HERMOD_DYNOXIDE_URL"; then break; fi
  for pid in "${started[@]}"; do kill -0 "$pid" || { cat "$run"/*.log >&2; exit 1; }; done
  sleep 0.2
done

# ---- deploy
say "sam deploy"
quietly python test/cloud/deploy.py "$run/build" "$HERMOD_STACK_OUTPUTS"
HERMOD_CLOUD_API=$(python -c 'import json,sys; print(json.load(open(sys.argv[1]))["ApiUrl"])' "$HERMOD_STACK_OUTPUTS")
export HERMOD_CLOUD_API

# ---- use
if [ $# -eq 0 ]; then
  # The packages that know of an emulator, the longest first; `make test` runs the others. The race detector has looked at the code
  # there: here it would take from the emulator what these tests wait for.
  mapfile -t packages < <(git ls-files '*_test.go' | xargs grep -l '^//go:build cloud' | xargs -n 1 dirname | sort -u | grep -vx test/e2e | sed 's|^|./|')
  set -- go test -tags cloud -count=1 -parallel 4 ./test/e2e "${packages[@]}"
fi
say "$*"
"$@"
say "done"
