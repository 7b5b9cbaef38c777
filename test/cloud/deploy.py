"""Deploys the built template to the emulator at AWS_ENDPOINT_URL and sets what the emulator drops.

    deploy.py BUILD_DIR OUTPUTS.json

`sam deploy` does the work: package to S3, change set, CloudFormation with the SAM transform. What is done around it, each
because MiniStack 1.5.33 needs it, is in the functions below; each looks at the result first, and says what it had to set.
"""

import json
import os
import pathlib
import re
import subprocess
import sys

import boto3
import yaml

STACK = "hermod"
PARAMETERS = {
    "Stage": "emulator",
    "Architecture": os.environ["HERMOD_CLOUD_ARCHITECTURE"],
    "TestTargetCIDRs": "127.0.0.0/8",
    "TestRetrySchedule": "1s,1s,2s/1500ms",  # as test/e2e expects; what follows the slash is the longest wait in the queue
    "TestRedriveHide": "1s",
    "PublicUrl": "http://" + os.environ["HERMOD_CLOUD_FRONT"],
    "TargetRolePrefix": "hermod-",
    "MintUrl": f"http://{os.environ['HERMOD_CLOUD_CLOUDS']}/mint/{{flowId}}?key=operators-own",
    "TestEndpoints": ",".join(f"{host}=http://{os.environ['HERMOD_CLOUD_CLOUDS']}" for host in (
        "servicebus.windows.net", "login.microsoftonline.com", "googleapis.com", "amazonaws.com")),
}


def main():
    build, outputs_file = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    prepare(build / "template.yaml")
    boto3.client("s3").create_bucket(Bucket=STACK + "-build")
    subprocess.run(
        ["sam", "deploy", "--template-file", build / "template.yaml", "--stack-name", STACK, "--s3-bucket", STACK + "-build",
         "--region", os.environ["AWS_REGION"], "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-progressbar",
         "--parameter-overrides", *[f"{name}={value}" for name, value in PARAMETERS.items()]],
        check=True, stdout=subprocess.DEVNULL if not os.environ.get("VERBOSE") else None)

    cloudformation = boto3.client("cloudformation")
    resources = {}
    for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK):
        resources |= {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in page["StackResourceSummaries"]}
    template = cloudformation.get_template(StackName=STACK, TemplateStage="Processed")["TemplateBody"]

    for name, resource in template["Resources"].items():
        if name not in resources:  # its condition is false
            continue
        match resource["Type"]:
            case "AWS::ApiGatewayV2::Api":
                routes_of_the_body(resources[name], resource["Properties"]["Body"], resources)
            case "AWS::DynamoDB::Table":
                time_to_live(resources[name], resource["Properties"])

    stack = cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]
    outputs = {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}
    outputs["ApiUrl"] = f"{os.environ['AWS_ENDPOINT_URL']}/_aws/execute-api/{outputs['ApiId']}/$default"
    for dialect in "Signly", "Telia", "Universign":
        outputs[f"{dialect}Url"] = f"{os.environ['AWS_ENDPOINT_URL']}/_aws/execute-api/{resources[dialect + 'Api']}/$default"
    outputs_file.write_text(json.dumps(outputs, indent=2) + "\n")
    print(outputs_file.read_text(), end="")


def prepare(path):
    """Changes the built template in the two places where the emulator reads it differently from AWS."""
    template = yaml.safe_load(path.read_text())  # sam build writes the intrinsics in their long form

    # It runs the SAM transform without the parameters' values, so a Ref inside a function becomes the default.
    for name, value in PARAMETERS.items():
        template["Parameters"][name]["Default"] = value

    # It asks for sqs:SendMessageBatch and the like, which are no actions of IAM: sqs:SendMessage covers the batch on AWS.
    batches = {"sqs:SendMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"}
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::IAM::Role":
            for statement in resource["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]:
                statement["Action"] += [action + "Batch" for action in statement["Action"] if action in batches]

    path.write_text(yaml.safe_dump(template, sort_keys=False))


def routes_of_the_body(api, body, resources):
    """The emulator ignores the OpenAPI body of an HTTP API: make its routes and integrations one by one."""
    gateway = boto3.client("apigatewayv2")
    if gateway.get_routes(ApiId=api)["Items"]:
        return
    for path, methods in body["paths"].items():
        for method, operation in methods.items():
            integration = operation["x-amazon-apigateway-integration"]
            uri = re.search(r"functions/\$\{(\w+)\}/invocations", integration["uri"]["Fn::Sub"])
            made = gateway.create_integration(
                ApiId=api, IntegrationType="AWS_PROXY", IntegrationMethod=integration["httpMethod"],
                IntegrationUri=resources[uri[1]], PayloadFormatVersion=integration["payloadFormatVersion"])
            verb = "ANY" if method == "x-amazon-apigateway-any-method" else method.upper()
            key = "$default" if operation.get("isDefaultRoute") else f"{verb} {path}"
            gateway.create_route(ApiId=api, RouteKey=key, Target="integrations/" + made["IntegrationId"])
            print("set: route", key)


def time_to_live(table, properties):
    """The emulator's CloudFormation ignores TimeToLiveSpecification."""
    dynamodb = boto3.client("dynamodb")
    if dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]["TimeToLiveStatus"] == "ENABLED":
        return
    dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=properties["TimeToLiveSpecification"])
    print("set: TTL of", table)


if __name__ == "__main__":
    main()
