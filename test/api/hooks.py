"""What schemathesis asks before each call: the rules that OpenAPI has no words for."""

import json
import os
import re
from datetime import datetime
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

import schemathesis
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode

# Nothing listens there: a delivery is refused, logged and tried again.
NOWHERE = "http://127.0.0.1:9/hook"
CONFIGURATIONS = {
    "Webhook": {"url": NOWHERE},
    "AzureServiceBus": {"connectionString": "made below"},
    "Mint": {"flowId": "flow-1"},
}
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
    if isinstance(member(case.body, "url"), str) and re.match(r"\s*https?:", case.body["url"], re.IGNORECASE):
        case.body["url"] = answering()


def answering():
    """A webhook of Signly is asked whether it answers before it is stored: the node itself does."""
    return os.environ["HERMOD_URL"] + "/hook"


def keep_the_credential(case):
    """The credential that all of this calls with is listed among the others, and must outlive them."""
    if case.path_parameters.get("credentialId") == "oauth:local":
        case.path_parameters["credentialId"] = "oauth:none"


def keep_the_rules(case):
    """Makes what fits the description fit the rules too, so that it must be accepted."""
    for name in ("page", "cursor"):  # Hermod makes them itself
        case.query.pop(name, None)
    for name in ("signicat-accountId", "signicat-organizationId"):  # another's are refused
        if case.query.get(name) not in OWNERS:
            case.query.pop(name, None)
    if case.query.get("tail") in (True, "true"):  # what has no end has no upper bound
        case.query.pop("before", None)
    for event in case.body if isinstance(case.body, list) else [case.body]:
        if isinstance(member(event, "data_base64"), str):  # base64 of JSON
            event["data_base64"] = "e30="
    shorten(case.body)
    if isinstance(case.body, dict):
        case.body.pop("ownerId", None)  # the owner that the request names
    if case.operation.method.upper() in ("PUT", "PATCH") and isinstance(member(case.body, "typeConfiguration"), dict):
        keep_the_type(case)
    connect(member(case.body, "typeConfiguration"))
    if case.path.startswith("/signly/"):
        keep_the_webhook(case)
    headers = member(member(case.body, "typeConfiguration"), "headers")
    if isinstance(headers, dict):  # 1,024 bytes, name and value together, and no mask where nothing was
        for name in headers:
            headers[name] = headers[name] and headers[name][:100].replace("********", "1")
    if "after" in (case.body if isinstance(case.body, dict) else ()):  # it lies before the other, which is not after now
        case.body.update(after="2026-01-01T00:00:00Z", before=None)
        if isinstance(case.body.get("rate"), float):  # 1.0 is a whole number to JSON Schema alone
            case.body["rate"] = int(case.body["rate"])
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
        case.body["tenantId"] = case.headers.get("X-Tenant-Signly", "11111111-1111-4111-8111-111111111111")
    for place, name in ((case.body, "httpTimeoutMs"), (case.body.get("retries"), "maxAttempts")):
        if isinstance(member(place, name), float):  # 1.0 is a whole number to JSON Schema alone
            place[name] = int(place[name])


def connect(configuration):
    """A connection string has a form that no pattern tells whole, and all who name the queue name one."""
    if isinstance(member(configuration, "connectionString"), str):
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
