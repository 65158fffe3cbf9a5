#!/usr/bin/env bash
# Runs the built functions in Lambda's containers by the commands of docs/sam-local.md: `sam local invoke` with every
# file of events/ for every function, then `sam local start-api` with callbacks over HTTP, against `countersign serve
# --containers`. Compares each answer with events/answers.json, and shows at the end what is stored.
#
#     sam build --parameter-overrides Architecture=x86_64   # or arm64: this machine's processor
#     bash tests/sam-local.sh
#
# Needs a Docker engine, and the SAM CLI in .venv (.ci/run installs it) or in PATH. Takes ten to fifteen minutes,
# because SAM makes a container for each event. The SAM CLI pulls Lambda's image from public.ecr.aws; set
# SAM_LOCAL_IMAGE to use another one.
#
# Where public.ecr.aws can't be reached, this makes an image, on Debian, as root:
#
#     debootstrap --variant=minbase --include=ca-certificates bookworm rootfs
#     mkdir -p rootfs/var/task rootfs/var/runtime rootfs/var/rapid
#     tar -C rootfs -c . | docker import - lambda-stand-in:bookworm
#     SAM_LOCAL_IMAGE=lambda-stand-in:bookworm bash tests/sam-local.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

PATH="$PWD/.venv/bin:$PATH"
# events/answers.json expects the events in the order of their bytes, whatever the user's language.
export LC_ALL=C SAM_CLI_TELEMETRY=0

fail() {
    printf 'tests/sam-local.sh: %s\n' "$*" >&2
    exit 1
}
command -v docker >/dev/null || fail 'docker is missing'
timeout 20 docker info >/dev/null 2>&1 || fail 'no Docker engine answers'
command -v sam >/dev/null || fail 'the SAM CLI is missing: .ci/run installs it'
[ -f .aws-sam/build/template.yaml ] || fail 'the functions are not built: run `sam build`'

case "$(uname -m)" in
    x86_64) architecture=x86_64 ;;
    aarch64 | arm64) architecture=arm64 ;;
    *) fail "Lambda doesn't support $(uname -m)" ;;
esac
# Docker Desktop resolves a name to this machine's loopback address. Other engines have a bridge with an address.
if [ "$(docker info --format '{{.OperatingSystem}}')" = 'Docker Desktop' ]; then
    host=host.docker.internal
else
    host="$(docker network inspect bridge --format '{{(index .IPAM.Config 0).Gateway}}')"
fi

cargo build --locked --workspace --bin countersign
countersign="$PWD/target/debug/countersign"
work="$(mktemp -d)"
data="$work/data"
pids=()
finish() {
    for pid in "${pids[@]}"; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap finish EXIT

# Waits until a process has written a line like this to its log.
until_says() {
    local pid="$1" log="$2" line="$3"
    for _ in $(seq 1200); do
        grep --quiet "$line" "$log" && return
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    cat "$log" >&2
    fail "the log above has no line '$line'"
}

"$countersign" serve --manual --containers "$host" --port 0 --data "$data" >"$work/serve.log" 2>&1 &
pids+=("$!")
until_says "$!" "$work/serve.log" '^listening on'
grep --invert-match '^callback URL' "$work/serve.log"

# The embedded services accept these credentials only. A profile or session of a real account must not override them.
unset AWS_PROFILE AWS_SESSION_TOKEN
endpoint() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$data/endpoints.json" "$1"; }
AWS_ACCESS_KEY_ID=$(endpoint access_key_id) AWS_SECRET_ACCESS_KEY=$(endpoint secret_access_key)
export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_DEFAULT_REGION=eu-west-1
providers=dropbox-sign,legalesign,quicklysign,signeasy
options=(--parameter-overrides "Architecture=$architecture Providers=$providers" --env-vars "$data/sam-local.json")
[ -z "${SAM_LOCAL_IMAGE:-}" ] || options+=(--skip-pull-image --invoke-image "$SAM_LOCAL_IMAGE")

# Whether an answer has the keys and values that events/answers.json expects for a case. It may have more.
cat >"$work/check.py" <<'PYTHON'
import json, sys

case, answer = sys.argv[1], json.loads(sys.argv[2] or "null") or {}
expected = json.load(open("events/answers.json"))[case]
if "statusCode" in answer:
    body = answer["headers"].get("countersign-answer", answer["body"])
    answer = {"status": answer["statusCode"], **json.loads(body)}
sys.exit(any(answer.get(key) != value for key, value in expected.items()))
PYTHON

events=0
failures=0
# Callbacks first. Then the functions that finish what callbacks left to do.
last=(reconcile final-document publish)
mapfile -t first < <(cd functions && printf '%s\n' * | grep -vxF "$(printf '%s\n' "${last[@]}")")
for folder in "${first[@]}" "${last[@]}"; do
    # The logical id in the template: V1Batch of v1-batch.
    function="$(sed -E 's/(^|-)([a-z])/\U\2/g' <<<"$folder")"
    for event in events/"$folder"/*.json; do
        case="$folder/$(basename "$event" .json)"
        events=$((events + 1))
        answer="$(sam local invoke "$function" --event "$event" "${options[@]}" 2>"$work/log" | tail -n 1)" || true
        if python3 "$work/check.py" "$case" "$answer"; then
            echo "ok $case"
        else
            echo "FAILED $case: ${answer:-no answer}"
            tail -n 20 "$work/log"
            failures=$((failures + 1))
        fi
    done
done
[ "$events" -gt "$failures" ] || fail 'every event failed'

echo
port="$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
sam local start-api --port "$port" "${options[@]}" >"$work/api.log" 2>&1 &
pids+=("$!")
until_says "$!" "$work/api.log" "Running on http://127.0.0.1:$port"
url="http://127.0.0.1:$port/callbacks/quicklysign"
body='{"entity_type": "Document", "entity_key": "by-start-api", "callback_event": "document_updated"}'
for token in local-path-token another-path-token; do
    echo "POST /callbacks/quicklysign/$token through sam local start-api"
    answer="$(curl --silent --show-error --max-time 120 --write-out '\n%{http_code}' \
        --header 'content-type: application/json' --data "$body" "$url/$token")" || true
    echo "$answer"
    case "$token $answer" in
        local-path-token*'"outcome":"recorded"'*$'\n200' | another-path-token*'"reason":"unproven"'*$'\n401') ;;
        *)
            echo "FAILED start-api $token"
            tail -n 20 "$work/api.log"
            failures=$((failures + 1))
            ;;
    esac
done

# The document pack that the worker's event names. A callback completed it, so its PDFs must be in the archive now.
pack="$(python3 - <<'PYTHON'
import json

[message] = json.load(open("events/final-document/due.json"))["Records"]
print(json.loads(message["body"])["pk"].split("#")[2])
PYTHON
)"
printf '\n$ countersign documents\n'
"$countersign" documents --data "$data"
for id in "$pack" by-start-api; do
    printf '\n$ countersign timeline quicklysign %s\n' "$id"
    "$countersign" timeline quicklysign "$id" --data "$data"
done
archive='import json, sys; sys.exit(json.load(sys.stdin)["document"]["archive"]["state"] != "archived")'
if ! "$countersign" timeline quicklysign "$pack" --data "$data" --json | python3 -c "$archive"; then
    echo "FAILED: $pack is not archived"
    failures=$((failures + 1))
fi

echo
echo "$events events and 2 requests, $failures failed"
[ "$failures" -eq 0 ]
