#!/usr/bin/env python3
"""Deploys the built stack on ministack, an emulator of AWS, with CloudFormation as in template.yaml.

    sam build --parameter-overrides Architecture=x86_64
    .venv/bin/python tests/ministack.py

Run by hand: it installs a large package from PyPI in its own environment. The emulator doesn't import routes from an API's
OpenAPI body, doesn't run the pipe, stores a number as text, and has no CodeDeploy. So this script creates the routes, sends due
jobs to the queue, sets the number again, and publishes versions itself. The emulator doesn't enforce roles either. Everything else is as in the template: functions,
secrets, table, bucket, queue, alarms, log groups, outputs. The script posts callbacks of every service, and checks that their
PDFs are in the bucket at the end.
"""

import argparse
import contextlib
import hashlib
import json
import os
import pathlib
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

# Both come with the SAM CLI.
import boto3
from samtranslator.yaml_helper import yaml_parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
MINISTACK = "ministack[full]==1.5.33"
STACK = "countersign-mini"
ROUTES = {
    "DropboxSignCallback": "/callbacks/dropbox-sign/{token}",
    "V1Batch": "/callbacks/legalesign/batch/{token}",
    "V1Realtime": "/callbacks/legalesign/realtime/{token}",
    "QuicklysignCallback": "/callbacks/quicklysign/{token}",
    "SigneasyCallback": "/callbacks/signeasy/{token}",
}
CALLBACKS = {
    "DropboxSignCallback": ["dropbox-sign", "signature_request_all_signed", "--id", "a-request"],
    "V1Batch": ["legalesign", "batch", "--id", "a-batch"],
    "V1Realtime": ["legalesign", "signed", "--id", "a-document"],
    "QuicklysignCallback": ["quicklysign", "final_document_generated", "--id", "a-pack"],
    "SigneasyCallback": ["signeasy", "rs.completed", "--id", "4242", "--payload", "v2"],
}
PATIENCE = 120
# What the emulator's CloudFormation doesn't know. Without CodeDeploy, aliases are shifted at once.
UNKNOWN = {
    "AWS::CloudWatch::CompositeAlarm", "AWS::Events::Archive", "AWS::Events::EventBusPolicy", "AWS::Logs::QueryDefinition",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--builds", type=pathlib.Path, default=ROOT / ".aws-sam/build", help="output folder of `sam build`")
    parser.add_argument("--countersign", default=ROOT / "target/debug/countersign", help="the command line")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as cleanup:
        folder = pathlib.Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="countersign-")))
        # For boto3, the SAM CLI and the command line alike; the emulator takes any credentials.
        os.environ.update(
            AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_REGION="eu-west-1",
            AWS_DEFAULT_REGION="eu-west-1", AWS_ENDPOINT_URL=emulator(cleanup, folder), SAM_CLI_TELEMETRY="0",
        )
        local = services(cleanup, arguments.countersign, folder / "data")
        deploy(arguments.builds)
        outputs = boto3.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]["Outputs"]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in outputs}
        secrets = fill_in_secrets(folder / "data", outputs)
        functions = stand_in(outputs, local)
        base = f"{os.environ['AWS_ENDPOINT_URL']}/_aws/execute-api/{functions['api']}/$default"
        for function, callback in CALLBACKS.items():
            url = base + ROUTES[function].replace("{token}", secrets[callback[0]])
            command(arguments.countersign, "trigger", *callback, "--to", url, "--data", folder / "data")
        archived(outputs)
        for words in (["documents"], ["verify", "--all"], ["archive", "list"]):
            command(arguments.countersign, *words, "--stack", STACK)
    print("All passed")


def command(*words):
    print("$ countersign", *words[1:3], flush=True)
    subprocess.run([str(word) for word in words], check=True)


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def start(cleanup, words, log, **environment):
    process = subprocess.Popen(words, stdout=log.open("w"), stderr=subprocess.STDOUT, env={**os.environ, **environment})

    def end():
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=PATIENCE)

    cleanup.callback(end)
    return process


def until(what, probe):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            if (found := probe()) is not None:
                return found
        time.sleep(0.5)
    sys.exit(f"ministack: {what} wasn't ready within {PATIENCE} s")


def emulator(cleanup, folder):
    venv = ROOT / ".venv/ministack"
    if not (venv / "bin/ministack").exists():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
        pip = [sys.executable, "-m", "pip", "--python", venv / "bin/python", "install", "--quiet"]
        subprocess.run([*pip, "--disable-pip-version-check", MINISTACK], check=True)
    port = free_port()
    environment = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "MINISTACK_REGION": "eu-west-1"}
    start(cleanup, [venv / "bin/python", "-m", "ministack"], folder / "ministack.log", HOME=str(folder), **environment)
    url = f"http://127.0.0.1:{port}"
    until("ministack", lambda: urllib.request.urlopen(f"{url}/_ministack/health", timeout=5).status)
    return url


def services(cleanup, countersign, data):
    """The simulated services, started by the local stack, whose own table and bucket stay empty."""
    start(cleanup, [countersign, "serve", "--manual", "--port", "0", "--data", data], data.with_suffix(".log"))
    return until("the simulated services", lambda: json.loads((data / "endpoints.json").read_text()))


def deploy(builds):
    architecture = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
    parameters = [f"Architecture={architecture}", "DeletionProtection=false", "ObjectLockMode=none"]
    parameters.append("Providers=dropbox-sign,legalesign,quicklysign,signeasy")
    template = yaml_parse((builds / "template.yaml").read_text())
    resources = {name: value for name, value in template["Resources"].items() if value["Type"] not in UNKNOWN}
    for block in [template["Globals"]["Function"], *(value["Properties"] for value in resources.values())]:
        block.pop("DeploymentPreference", None)
    reduced = builds / "ministack.json"
    reduced.write_text(json.dumps({**template, "Resources": resources}))
    sam = [pathlib.Path(sys.executable).parent / "sam", "deploy", "--template-file", reduced]
    options = ["--resolve-s3", "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset"]
    # Run in the builds' folder, where there is no samconfig.toml.
    words = [*sam, "--stack-name", STACK, *options, "--parameter-overrides", *parameters]
    deployed = subprocess.run(words, cwd=builds, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if deployed.returncode != 0:
        sys.exit(f"ministack: sam deploy failed\n{deployed.stdout}")
    resources = boto3.client("cloudformation").list_stack_resources(StackName=STACK)["StackResourceSummaries"]
    print(f"deployed: {len(resources)} resources")


def fill_in_secrets(data, outputs):
    manager, tokens = boto3.client("secretsmanager"), {}
    for provider in ("dropbox-sign", "legalesign", "quicklysign", "signeasy"):
        secrets = json.loads((data / f"secrets/{provider}.json").read_text())
        for kind in ("proof", "api"):
            secret = outputs[f"{provider.title().replace('-', '')}{kind.title()}Secret"]
            manager.put_secret_value(SecretId=secret, SecretString=json.dumps(secrets[kind]))
        tokens[provider] = secrets["proof"]["url_tokens"][0]
    return tokens


def stand_in(outputs, local):
    """Does what the emulator lacks, and tells the functions the URLs of the emulator and the simulated services."""
    functions, gateway = boto3.client("lambda"), boto3.client("apigatewayv2")
    arns = {}
    for function in functions.list_functions()["Functions"]:
        name = function["FunctionName"]
        variables = {**function["Environment"]["Variables"], **local["environment"], "ALLOW_INSECURE_DOWNLOADS": "true",
                     "AWS_ENDPOINT_URL": os.environ["AWS_ENDPOINT_URL"], "AWS_S3_FORCE_PATH_STYLE": "true"}
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
        # Every caller addresses the alias.
        version = functions.publish_version(FunctionName=name)["Version"]
        alias = functions.update_alias(FunctionName=name, Name="live", FunctionVersion=version)
        arns[name.removeprefix(f"{STACK}-").split("-")[0]] = alias["AliasArn"]
    mappings = functions.list_event_source_mappings()["EventSourceMappings"]
    [mapping] = [mapping for mapping in mappings if "ScalingConfig" in mapping]
    at_most = int(mapping["ScalingConfig"]["MaximumConcurrency"])
    functions.update_event_source_mapping(UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": at_most})
    [api] = [api["ApiId"] for api in gateway.get_apis()["Items"] if api["ApiId"] in outputs["QuicklysignUrl"]]
    for function, route in ROUTES.items():
        integration = gateway.create_integration(
            ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=arns[function], PayloadFormatVersion="2.0"
        )
        target = f"integrations/{integration['IntegrationId']}"
        gateway.create_route(ApiId=api, RouteKey=f"POST {route}", Target=target)
    return {**arns, "api": api}


def archived(outputs):
    """Sends due jobs to the queue, as the pipe does, and waits for the PDFs."""
    table, queue, bucket = boto3.client("dynamodb"), boto3.client("sqs"), boto3.client("s3")
    url = queue.get_queue_url(QueueName=outputs["ArchiveQueueName"])["QueueUrl"]

    def jobs():
        items = table.scan(TableName=outputs["TableName"])["Items"]
        return {item["pk"]["S"]: item["state"]["S"] for item in items if item["sk"]["S"] == "ARCHIVE"}

    due = [partition for partition, state in jobs().items() if state == "due"]
    assert len(due) == len(CALLBACKS), due
    for partition in due:
        queue.send_message(QueueUrl=url, MessageBody=json.dumps({"pk": partition}))
    until("the archive", lambda: True if set(jobs().values()) == {"archived"} else None)
    keys = [entry["Key"] for entry in bucket.list_objects_v2(Bucket=outputs["ArchiveBucketName"])["Contents"]]
    for key in keys:
        content = bucket.get_object(Bucket=outputs["ArchiveBucketName"], Key=key)["Body"].read()
        assert content.startswith(b"%PDF-") and key.endswith(f"/{hashlib.sha256(content).hexdigest()}.pdf"), key
    print(f"archived: {len(keys)} PDFs of {len(due)} callbacks")


if __name__ == "__main__":
    main()
