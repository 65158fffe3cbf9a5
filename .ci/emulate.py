#!/usr/bin/env python3
"""Runs built functions under Lambda's Runtime Interface Emulator, without Docker, on every file of events/.

    python3 .ci/emulate.py --emulator RIE --countersign BINARY --builds .aws-sam/build

A local stack provides DynamoDB, S3, the event bus and the simulated services. It runs as `countersign serve --manual`, without pipe,
queue and schedule, so that the functions under test do all the work. The script compares each answer with
events/answers.json, checks each log, and checks that every archive job was done in the end. It prints the start time
and the peak memory of each function.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
# These run after the callback functions. The archive worker works on the jobs that the others enqueue, and an event of
# the publisher names a document that it archives.
LAST = ["reconcile", "final-document", "publish"]
# SignEasy's documented example of a document.signed callback contains the hash of a file that only SignEasy has.
ID_WITH_FOREIGN_HASH = "110565575"
# In seconds. Generous, for slow machines: each call takes a few seconds at most.
TIMEOUT = 120


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--emulator", required=True, help="the Runtime Interface Emulator")
    parser.add_argument("--countersign", required=True, help="the countersign binary")
    parser.add_argument("--builds", type=pathlib.Path, help="a folder with <LogicalId>/bootstrap, as `sam build` makes")
    parser.add_argument("--binaries", type=pathlib.Path, help="instead of --builds: a folder with the cargo binaries")
    arguments = parser.parse_args()
    answers = json.loads((ROOT / "events/answers.json").read_text())
    folders = sorted(path.name for path in (ROOT / "functions").iterdir())
    folders = [name for name in folders if name not in LAST] + [name for name in LAST if name in folders]
    data = pathlib.Path(tempfile.mkdtemp(prefix="countersign-"))
    problems = []
    try:
        with Stack(arguments.countersign, data) as stack:
            for folder in folders:
                events = sorted((ROOT / "events" / folder).glob("*.json"))
                if not events:
                    problems.append(f"{folder}: no events")
                    continue
                program = data / "functions" / folder / "bootstrap"
                program.parent.mkdir(parents=True)
                shutil.copy(built(arguments, folder), program)
                with Function(arguments.emulator, program, stack.environment) as function:
                    for event in events:
                        case = f"{folder}/{event.stem}"
                        problem = check(answers.get(case), function.invoke(event.read_bytes()))
                        print(f"  {case}: {problem or 'ok'}", flush=True)
                        if problem:
                            problems.append(f"{case}: {problem}")
                    jobs = list(due_jobs(stack)) if folder == "final-document" else []
                    for job in jobs:
                        failed = function.invoke(job)["batchItemFailures"]
                        problems += [f"{folder}: {job} is listed in batchItemFailures"] if failed else []
                    print(f"{folder}: {len(events)} events, {function.measures()}", flush=True)
                invocations = len(events) + len(jobs)
                problems += [f"{folder}: {problem}" for problem in function.problems_in_log(invocations)]
            problems += not_archived(stack)
    finally:
        shutil.rmtree(data, ignore_errors=True)
    for problem in problems:
        print(f"emulate: {problem}", file=sys.stderr)
    print(f"{len(answers)} events, {len(problems)} problems")
    sys.exit(bool(problems))


def built(arguments, folder):
    """The path of the function's binary. `v1-batch` is `V1Batch` in the template."""
    if arguments.binaries:
        return arguments.binaries / folder
    logical_id = "".join(part.capitalize() for part in folder.split("-"))
    return arguments.builds / logical_id / "bootstrap"


def check(expected, answer):
    """The problem with an answer, or None."""
    if expected is None:
        return f"not in events/answers.json; the answer is {json.dumps(answer)}"
    if "statusCode" in answer:
        # A service may insist on a text as the body; the answer is in a header then.
        body = json.loads(answer["headers"].get("countersign-answer", answer["body"]))
        answer = {"status": answer["statusCode"], "outcome": body["outcome"], "reason": body["reason"]}
        answer |= {"events": body["events"]}
    if "errorType" in answer:
        return f"failed: {json.dumps(answer)}"
    if any(answer.get(key) != value for key, value in expected.items()):
        return f"expected {json.dumps(expected)}, got {json.dumps(answer)}"
    return None


def due_jobs(stack):
    """An SQS event for each due archive job, with the message that the pipe would put on the queue."""
    event = json.loads((ROOT / "events/final-document/due.json").read_text())
    jobs = json.loads(stack.command("archive", "list", "--state", "due", "--json"))["orders"]
    for job in jobs:
        body = {"pk": "{provider}#{kind}#{id}".format(**job["subject"]), "sk": "ARCHIVE"}
        message = event["Records"][0] | {"body": json.dumps(body)}
        yield json.dumps({"Records": [message]}).encode()


def not_archived(stack):
    """Problems in the end: every archive job that the events enqueued must be done."""
    documents = json.loads(stack.command("documents", "--json"))["documents"]
    states = {document["id"]: document["archive"] for document in documents if document["archive"]}
    if not states:
        return ["no archive job was enqueued"]
    wrong = {name: archive for name, archive in states.items() if archive["state"] != "archived"}
    if wrong.pop(ID_WITH_FOREIGN_HASH, {}).get("reason") != "hash_mismatch":
        return [f"{ID_WITH_FOREIGN_HASH} was not rejected with hash_mismatch"]
    return [f"{name} is {archive['state']}: {archive['reason']}" for name, archive in wrong.items()]


def secrets_of_events():
    """The secrets that fit the events, <P>_PROOF and <P>_API, from events/env.json, which `sam local` uses too."""
    functions = json.loads((ROOT / "events/env.json").read_text())
    return {name: value for variables in functions.values() for name, value in variables.items()}


def write_secrets(folder, variables):
    """Writes these secrets to the files that `countersign serve --secrets` reads."""
    folder.mkdir()
    for prefix in {name.removesuffix("_PROOF") for name in variables if name.endswith("_PROOF")}:
        secret = {kind: json.loads(variables.get(f"{prefix}_{kind.upper()}", "{}")) for kind in ("proof", "api")}
        name = prefix.lower().replace("_", "-")
        (folder / f"{name}.json").write_text(json.dumps(secret))


class Stack:
    """A local stack that doesn't run its own functions."""

    def __init__(self, countersign, data):
        self.countersign, self.data = countersign, data / "stack"

    def __enter__(self):
        secrets = self.data.parent / "secrets"
        variables = secrets_of_events()
        write_secrets(secrets, variables)
        arguments = ["serve", "--manual", "--port", "0", "--data", self.data, "--secrets", secrets]
        self.process = subprocess.Popen([self.countersign, *arguments], stdout=subprocess.PIPE, text=True)
        if not self.process.stdout.readline().startswith("listening on "):
            sys.exit("emulate: the local stack did not start")
        endpoints = json.loads((self.data / "endpoints.json").read_text())
        # Among the stack's own settings are the URLs of the simulated services.
        environment = {
            **variables,
            **endpoints["environment"],
            "TABLE_NAME": endpoints["table"],
            "ARCHIVE_BUCKET": endpoints["bucket"],
            "TEMPORARY_BUCKET": endpoints["temporary_bucket"],
            "AWS_REGION": endpoints["region"],
            "AWS_ACCESS_KEY_ID": endpoints["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": endpoints["secret_access_key"],
            "EVENT_BUS": endpoints["environment"]["EVENT_BUS"],
            "AWS_ENDPOINT_URL_DYNAMODB": endpoints["dynamodb"],
            "AWS_ENDPOINT_URL_EVENTBRIDGE": endpoints["eventbridge"],
            "AWS_ENDPOINT_URL_S3": endpoints["s3"],
            "AWS_S3_FORCE_PATH_STYLE": "true",
            "ALLOW_INSECURE_DOWNLOADS": "true",
            "POWERTOOLS_SERVICE_NAME": "emulated",
        }
        self.environment = environment
        return self

    def command(self, *arguments):
        done = subprocess.run([self.countersign, "--data", self.data, *arguments], stdout=subprocess.PIPE, check=True)
        return done.stdout

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=TIMEOUT)


class Function:
    """A function under the emulator."""

    def __init__(self, emulator, program, environment):
        self.emulator, self.program, self.environment = emulator, program, environment
        self.log = program.with_name("log")

    def __enter__(self):
        port, runtime_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
        arguments = ["--runtime-interface-emulator-address", f"127.0.0.1:{port}"]
        arguments += ["--runtime-api-address", f"127.0.0.1:{runtime_port}"]
        # Apart from PATH, the function must not inherit this machine's environment.
        environment = {"PATH": os.environ["PATH"], **self.environment}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [self.emulator, *arguments, self.program],
                env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )
        return self

    def invoke(self, event):
        """Invokes the function. The emulator starts it at the first invocation."""
        request = urllib.request.Request(self.url, event, {"Content-Type": "application/json"})
        until = time.monotonic() + TIMEOUT
        while True:
            try:
                with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
                    return json.load(response)
            except urllib.error.URLError as error:
                refused = isinstance(error.reason, ConnectionRefusedError)
                if not refused or time.monotonic() > until or self.process.poll() is not None:
                    raise
                time.sleep(0.05)

    def measures(self):
        """The function's peak memory (VmHWM), and the duration of its start from the emulator's log."""
        peak = 0
        for status in pathlib.Path("/proc").glob("[0-9]*/status"):
            try:
                same = os.readlink(status.with_name("exe")) == str(self.program)
                lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
            except OSError:
                continue
            if same and "VmHWM" in lines:
                peak = max(peak, int(lines["VmHWM"].split()[0]))
        start = [line for line in self.log.read_text().splitlines() if "Init Duration" in line]
        start = start[0].split("Init Duration:")[1].split("\t")[0].strip() if start else "unknown"
        return f"peak memory {peak / 1024:.1f} MiB, start {start}"

    def problems_in_log(self, invocations):
        """Each line of the function's own log is JSON with the promised keys, and only the first invocation is cold."""
        ours = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith('{"level"')]
        ours = [line for line in ours if "function_request_id" in line]
        requests = list(dict.fromkeys(line["function_request_id"] for line in ours))
        if len(requests) != invocations:
            return [f"{invocations} invocations, but the log has lines of {len(requests)}"]
        cold = {line["function_request_id"] for line in ours if line["cold_start"]}
        problems = [] if cold == {requests[0]} else ["cold_start is wrong"]
        for line in ours:
            missing = {"timestamp", "message", "service", "function_name"} - line.keys()
            problems += [f"a log line lacks {sorted(missing)}: {line}"] if missing else []
        return problems

    def __exit__(self, *_):
        # The process group of the emulator, which includes the function, its child.
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


if __name__ == "__main__":
    main()
