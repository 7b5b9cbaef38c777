"""What schemathesis asks before each call: the rules that OpenAPI has no words for."""

import functools
import json
import os
import re
import time
from datetime import datetime
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

import schemathesis
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode

# Nothing listens there: a delivery is refused, logged and tried again.
NOWHERE = "http://127.0.0.1:9/hook"
ROLE = "arn:aws:iam::123456789012:role/hermod-events"
CONFIGURATIONS = {
    "Webhook": {"url": NOWHERE},
    "AzureServiceBus": {"connectionString": "made below"},
    "Mint": {"flowId": "flow-1"},
    "AwsSqs": {"roleArn": ROLE, "queueArn": "arn:aws:sqs:eu-west-1:123456789012:orders"},
    "AwsSns": {"roleArn": ROLE, "topicArn": "arn:aws:sns:eu-west-1:123456789012:orders"},
    "AwsEventBridge": {"roleArn": ROLE, "eventBusArn": "arn:aws:events:eu-west-1:123456789012:event-bus/orders"},
    "AwsKinesis": {"roleArn": ROLE, "streamArn": "arn:aws:kinesis:eu-west-1:123456789012:stream/orders"},
}
TENANT = "11111111-1111-4111-8111-111111111111"
WORKSPACE = {"Authorization": "Bearer apikey_local"}
OWNERS = ("a-spge-LocalAccount00000001", "o-p-LocalOrganization001")

# Events may not lie in the future, and no store keeps every year there is.
schemathesis.openapi.format(
    "date-time",
    st.datetimes(datetime(1971, 1, 1), datetime(2025, 12, 31)).map(
        lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    ),
)


@schemathesis.hook
def before_call(context, case, kwargs):
    stay_on_this_machine(case)
    keep_the_credential(case)
    if case.meta is not None and case.meta.generation.mode == GenerationMode.POSITIVE:
        keep_the_rules(case)


def stay_on_this_machine(case):
    """A made-up target could be somebody's. Hermod takes absolute http and https URLs and no others."""
    configuration = member(case.body, "typeConfiguration")
    url = member(configuration, "url")
    if isinstance(url, str) and re.match(r"\s*https?:", url, re.IGNORECASE):
        configuration["url"] = NOWHERE
    for name, value in case.body.items() if isinstance(case.body, dict) else ():  # the names of Telia Sign count in any case
        if name.lower() in ("url", "uri") and isinstance(value, str) and re.match(r"\s*https?:", value, re.IGNORECASE):
            case.body[name] = answering()


def answering():
    """A webhook of Signly is asked whether it answers before it is stored: the node itself does."""
    return os.environ["HERMOD_URL"] + "/hook"


def keep_the_credential(case):
    """The credential that all of this calls with is listed among the others, and must outlive them."""
    if case.path_parameters.get("credentialId") == "oauth:local":
        case.path_parameters["credentialId"] = "oauth:none"
    if case.method == "DELETE" and "keyId" in case.path_parameters and case.path_parameters["keyId"] in there()["keys"]:
        case.path_parameters["keyId"] = "apk_0000000000000000000000"


def keep_the_rules(case):
    """Makes what fits the description fit the rules too, so that it must be accepted."""
    for name in ("page", "cursor", "starting_after"):  # Hermod makes them itself
        case.query.pop(name, None)
    for name in ("signicat-accountId", "signicat-organizationId"):  # another's are refused
        if case.query.get(name) not in OWNERS:
            case.query.pop(name, None)
    if case.query.get("tail") in (True, "true") or "after" in case.query:  # what has no end has no upper bound; after lies before it
        case.query.pop("before", None)
    for event in case.body if isinstance(case.body, list) else [case.body]:
        if isinstance(member(event, "data_base64"), str):  # base64 of JSON
            event["data_base64"] = "e30="
    shorten(case.body)
    if isinstance(case.body, dict):
        case.body.pop("ownerId", None)  # the owner that the request names
    if case.operation.method.upper() in ("PUT", "PATCH") and isinstance(member(case.body, "typeConfiguration"), dict):
        keep_the_type(case)
    if member(case.body, "type") == "GooglePubSub":  # takes a private key, or a node with a public URL
        case.body.update(type="Webhook", typeConfiguration=CONFIGURATIONS["Webhook"].copy())
    if str(member(case.body, "type")).startswith("Aws") and isinstance(member(case.body, "typeConfiguration"), dict):
        case.body["typeConfiguration"] = CONFIGURATIONS[case.body["type"]].copy()  # no pattern tells what an ARN is
    connect(member(case.body, "typeConfiguration"))
    if case.path.startswith("/signly/"):
        keep_the_webhook(case)
    if case.path.startswith("/universign/"):
        keep_the_workspace(case)
    if case.path.startswith("/hooks"):
        keep_the_hook(case)
    if case.path == "/identity/login":
        case.body = {"login": "local", "password": "local-secret", "tenantid": TENANT}
    if case.method == "DELETE" and case.path.startswith("/universign/v1/api-keys/"):  # there is room for five
        keys = [key["id"] for key in call("/universign/v1/api-keys", WORKSPACE)["data"]]
        case.path_parameters["keyId"] = next((key for key in keys if key not in there()["keys"]), "apk_0000000000000000000000")
    if owns(case) and case.method != "DELETE" and case.meta.phase.name != "stateful":  # that one has ids of its own
        case.path_parameters.update((name, there()[name]) for name in case.path_parameters)
    if member(member(case.body, "typeConfiguration"), "verifyEndpoint"):  # nobody is there to agree
        case.body["typeConfiguration"]["verifyEndpoint"] = False
    headers = member(member(case.body, "typeConfiguration"), "headers")
    if isinstance(headers, dict):  # 1,024 bytes, name and value together, and no mask where nothing was
        for name in headers:
            headers[name] = headers[name] and headers[name][:100].replace("********", "1")
    if "after" in (case.body if isinstance(case.body, dict) else ()):  # it lies before the other, which is not after now
        case.body.update(after="2026-01-01T00:00:00Z", before=None)
    if case.operation.definition.raw.get("operationId") == "registerEventType":
        case.body["schema"] = {}  # any object is no JSON Schema, and the example must fit it


def keep_the_type(case):
    """Of what type a subscription is was settled when it was created."""
    link = f"{os.environ['HERMOD_URL']}/events-management/subscriptions/{quote(str(case.path_parameters.get('subscriptionId')), safe='')}"
    request = Request(link, headers={"Authorization": f"Bearer {os.environ['HERMOD_TOKEN']}"})
    try:
        with urlopen(request, timeout=10) as answer:
            subscription = json.load(answer)
    except HTTPError:  # there is none
        return
    if case.body["type"] != subscription["type"]:
        case.body.update(type=subscription["type"], typeConfiguration=CONFIGURATIONS[subscription["type"]].copy())


def keep_the_webhook(case):
    """Makes what fits the description of a webhook of Signly one that can be stored."""
    case.headers.pop("If-Match", None)  # no version that was made up is the webhook's
    if not isinstance(case.body, dict):
        return
    if "url" in case.body:
        case.body["url"] = answering()
    if isinstance(case.body.get("customHeaders"), dict):  # no name twice, no control characters
        case.body["customHeaders"] = {"X-Made-Up": "1"}
    if isinstance(case.body.get("signingSecret"), str):  # it is bounded in bytes
        case.body["signingSecret"] = case.body["signingSecret"][:256]
    if case.body.get("tenantId") is not None:
        case.body["tenantId"] = case.headers.get("X-Tenant-Signly", TENANT)


def keep_the_workspace(case):
    """Makes what fits the description of Universign's API name things that are there."""
    for name in ("type", "event_type"):
        if case.query.get(name):
            case.query[name] = "action.closed,action.opened"
    for name in ("endpoint", "event"):
        if case.query.get(name):
            case.query[name] = there()[name + "Id"]
    if not isinstance(case.body, dict):
        return
    case.body.pop("workspace_id", None)  # another's is refused
    form = case.media_type != "application/json"
    if form and case.operation.method.upper() == "POST" and case.path.endswith("/webhook-endpoints"):
        # What is required in JSON is required in a form.
        case.body = {"name": "Made up", "url": answering(), "event_types": "action.closed"} | case.body
    if form and "event_types" in case.body:
        case.body["event_types"] = ["action.closed", '["action.closed","action.opened"]'][len(case.body["event_types"]) % 2]
    if isinstance(case.body.get("url"), str):
        case.body["url"] = answering()


def keep_the_hook(case):
    """Makes what fits the description of Telia Sign's API whole: what is required has no name of its own there."""
    if not isinstance(case.body, dict):
        return
    for name in [name for name in case.body if name.lower() in ("uri", "eventtype", "headers")]:
        if name not in ("Uri", "EventType", "Headers"):  # the same names in other cases
            del case.body[name]
    case.body.update(Uri=answering(), EventType="SignatureRequestCompleted")
    if isinstance(case.body.get("Headers"), dict):  # no name twice, no control characters
        case.body["Headers"] = {"X-Made-Up": "1"}


def owns(case):
    return set(case.operation.tags or ()) & {"Telia Sign", "Universign"}


@functools.cache
def there():
    """What there is of Telia Sign and Universign, made once a node: an id for each parameter of a path, and the keys that must stay."""
    kept = Path(os.environ["HERMOD_RUN"], "there.json")
    if not kept.exists():
        kept.write_text(json.dumps(make()))
    return json.loads(kept.read_text())


def make():
    tenant = {"Authorization": f"Bearer {os.environ['HERMOD_TELIA_TOKEN']}", "Ocp-Apim-Subscription-Key": "local-key"}
    native = {"Authorization": f"Bearer {os.environ['HERMOD_TOKEN']}"}
    keys = [key["id"] for key in call("/universign/v1/api-keys", WORKSPACE)["data"]]
    key = call("/universign/v1/api-keys", WORKSPACE, {"name": "Kept", "role": "integrator"})["id"]
    endpoint = call("/universign/v1/webhook-endpoints", WORKSPACE, {"name": "Kept", "url": NOWHERE, "event_types": ["action.closed"]})["id"]
    hook = call("/hooks/v1/subscription", tenant, {"Uri": NOWHERE, "EventType": "SignatureRequestCompleted"})["id"]
    fact = {"sender": "universign", "eventName": "action.closed", "eventData": {"id": "act_1", "type": "signature", "required_level": 1}}
    call("/events-management/events", native, fact)
    for _ in range(100):  # the webhook is there from its first attempt on
        sent = call(f"/universign/v1/webhooks?endpoint={endpoint}", WORKSPACE)["data"]
        if sent:
            break
        time.sleep(0.05)
    return {
        "keys": [*keys, key],
        "keyId": key,
        "endpointId": endpoint,
        "subscriptionId": hook,
        "webhookId": sent[0]["id"],
        "eventId": sent[0]["event"],
    }


def call(path, headers, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = Request(os.environ["HERMOD_URL"] + path, data, headers | {"Content-Type": "application/json"})
    with urlopen(request, timeout=10) as answer:
        return json.load(answer)


def connect(configuration):
    """A connection string has a form that no pattern tells whole, and all who name the queue name one."""
    if isinstance(configuration, dict) and ("connectionString" in configuration or "namespace" in configuration):
        configuration.pop("workloadIdentity", None)  # takes a node with a public URL
        configuration["connectionString"] = (
            "Endpoint=sb://contoso.servicebus.windows.net/;SharedAccessKeyName=a;SharedAccessKey=b"
        )
        configuration.update(queueName="orders", topicName=None, topic=None)


def shorten(value):
    """JSON Schema counts characters. These texts are bounded in bytes, of which a character has up to four."""
    for name, inside in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if name in ("id", "source", "secret", "userId", "apiKeyId", "traceId") and isinstance(inside, str):
            value[name] = inside[: max(1, len(inside) // 4)]
        else:
            shorten(inside)


def member(value, name):
    return value.get(name) if isinstance(value, dict) else None
