#!/usr/bin/env bash
# `sam local invoke` for every function, with every file of events/, against the local stack. Needs a Docker engine and
# the SAM CLI; without them it says SKIPPED, and `.ci/full` runs the same events without Docker.
#
#     bash tests/sam-local.sh
#
# Functions must be built for this machine's processor: `sam build --parameter-overrides Architecture=x86_64`, say.
# SAM_LOCAL_IMAGE names an image to use instead of the one that the SAM CLI would pull.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

skip() {
    echo "SKIPPED: $*"
    exit 0
}

PATH="$PWD/.venv/bin:$PATH"
export SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION="${AWS_DEFAULT_REGION:-eu-west-1}"
command -v docker >/dev/null || skip 'there is no Docker'
timeout 20 docker info >/dev/null 2>&1 || skip 'no Docker engine answers'
command -v sam >/dev/null || skip 'there is no SAM CLI (.ci/run installs one)'
[ -d .aws-sam/build ] || skip 'the functions are not built (sam build)'

cargo build --locked --workspace --bins
data="$(mktemp -d)"
# The secrets that the events are made for, as `serve` reads them.
mkdir "$data/secrets"
python3 - "$data/secrets" <<'PYTHON'
import json, pathlib, sys

variables = {}
for function in json.loads(pathlib.Path("events/env.json").read_text()).values():
    variables |= function
for provider in ["legalesign", "quicklysign", "signeasy"]:
    secret = {sort: json.loads(variables.get(f"{provider}_{sort}".upper(), "{}")) for sort in ("proof", "api")}
    pathlib.Path(sys.argv[1], f"{provider}.json").write_text(json.dumps(secret))
PYTHON
target/debug/countersign serve --manual --port 0 --data "$data/stack" --secrets "$data/secrets" >"$data/out" 2>"$data/err" &
stack=$!
finish() {
    kill "$stack" 2>/dev/null || true
    wait "$stack" 2>/dev/null || true
    rm -rf "$data"
}
trap finish EXIT
for _ in $(seq 300); do
    grep --quiet '^listening on' "$data/out" && break
    kill -0 "$stack" || { cat "$data/err" >&2; exit 1; }
    sleep 0.1
done

# The same environment for every function; the containers share this machine's network, where the stack listens.
# `sam local` passes on only variables that the template names, so a copy of it, beside the builds, names the rest.
python3 - "$data" <<'PYTHON'
import json, pathlib, sys

data = pathlib.Path(sys.argv[1])
endpoints = json.loads((data / "stack/endpoints.json").read_text())
paths = {"legalesign": "legalesign/api/v1", "quicklysign": "quicklysign", "signeasy": "signeasy"}
environment = {
    "TABLE_NAME": endpoints["table"],
    "ARCHIVE_BUCKET": endpoints["bucket"],
    "AWS_ENDPOINT_URL_DYNAMODB": endpoints["dynamodb"],
    "AWS_ENDPOINT_URL_S3": endpoints["s3"],
    "AWS_S3_FORCE_PATH_STYLE": "true",
    "ALLOW_INSECURE_DOWNLOADS": "true",
    "POWERTOOLS_SERVICE_NAME": "sam-local",
    "QUICKLYSIGN_CALLBACK_URL": endpoints["http"] + "/callbacks/quicklysign/{token}",
}
for function in json.loads(pathlib.Path("events/env.json").read_text()).values():
    environment |= function
for provider, path in paths.items():
    environment[f"{provider.upper()}_API_URL"] = f"{endpoints['simulator']}/{path}"
(data / "environment.json").write_text(json.dumps({"Parameters": environment}))

built = pathlib.Path(".aws-sam/build/template.yaml").read_text()
lines = []
for line in built.splitlines():
    if line.strip().startswith("POWERTOOLS_SERVICE_NAME:"):
        indent = line[: len(line) - len(line.lstrip())]
        lines += [f'{indent}{name}: ""' for name in environment if name != "POWERTOOLS_SERVICE_NAME"]
    lines.append(line)
pathlib.Path(".aws-sam/build/local.yaml").write_text("\n".join(lines) + "\n")
for name in ["access_key_id", "secret_access_key"]:
    (data / name).write_text(endpoints[name])
PYTHON
AWS_ACCESS_KEY_ID="$(<"$data/access_key_id")" AWS_SECRET_ACCESS_KEY="$(<"$data/secret_access_key")"
export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY

image=()
[ -z "${SAM_LOCAL_IMAGE:-}" ] || image=(--skip-pull-image --invoke-image "$SAM_LOCAL_IMAGE")
failures=0
for folder in $(cd functions && ls -d -- */ | tr -d /); do
    function="$(sed -E 's/(^|-)([a-z])/\U\2/g' <<<"$folder")"
    for event in events/"$folder"/*.json; do
        case="$folder/$(basename "$event" .json)"
        answer="$(sam local invoke "$function" --template .aws-sam/build/local.yaml --event "$event" --env-vars "$data/environment.json" \
            --docker-network host --container-host-interface 127.0.0.1 "${image[@]}" 2>"$data/log" | tail -n 1)"
        if python3 - "$case" "$answer" <<'PYTHON'
import json, sys

case, answer = sys.argv[1], json.loads(sys.argv[2])
expected = json.load(open("events/answers.json"))[case]
if "statusCode" in answer:
    answer = {"status": answer["statusCode"], **json.loads(answer["body"])}
sys.exit(any(answer.get(key) != value for key, value in expected.items()))
PYTHON
        then
            echo "ok $case"
        else
            echo "FAILED $case: $answer"
            tail -n 20 "$data/log"
            failures=$((failures + 1))
        fi
    done
done
echo "$failures failed"
[ "$failures" -eq 0 ]
