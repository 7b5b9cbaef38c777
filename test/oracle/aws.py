"""An account of AWS on an emulator, with what Hermod sends to, and a judge of signatures: both by AWS' own SDK.

  aws.py ENDPOINT OWNER

Its first line of output says what there is. Then a line {"read": NAME} is answered by what has arrived at the queue, topic, bus or stream of
that name, and a line {"verify": REQUEST} by {ok, want, got}: whether the request is signed as the SDK signs it. It ends with its input.
"""

import base64
import json
import sys
import time
import uuid

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

endpoint, owner = sys.argv[1:]
region = "us-east-1"
run = uuid.uuid4().hex[:8]


def client(service, key="test", secret="test"):
    return boto3.client(service, endpoint_url=endpoint, region_name=region, aws_access_key_id=key, aws_secret_access_key=secret)


iam, sqs, sns, events, kinesis = (client(s) for s in ("iam", "sqs", "sns", "events", "kinesis"))


def statement(effect="Allow", **more):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": effect, **more}]})


def queue(name, **attributes):
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def role(name, user, actions, condition):
    trust = statement(Principal={"AWS": user}, Action="sts:AssumeRole", **condition)
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="send", PolicyDocument=statement(Action=actions, Resource="*"))
    return arn


def account():
    """Makes it all: Hermod's own user may assume roles of the prefix, and nothing else."""
    user = iam.create_user(UserName=f"hermod-node-{run}")["User"]
    policy = statement(Action="sts:AssumeRole", Resource="arn:aws:iam::*:role/hermod-*")
    iam.put_user_policy(UserName=user["UserName"], PolicyName="assume", PolicyDocument=policy)
    key = iam.create_access_key(UserName=user["UserName"])["AccessKey"]
    asking = {"Condition": {"StringEquals": {"sts:ExternalId": owner}}}
    everything = ["sqs:*", "sns:*", "events:*", "kinesis:*"]

    plain, plain_arn = queue(f"plain-{run}")
    fifo, fifo_arn = queue(f"ordered-{run}.fifo", FifoQueue="true")
    of_topic, of_topic_arn = queue(f"topic-{run}")
    of_bus, of_bus_arn = queue(f"bus-{run}")
    topic = sns.create_topic(Name=f"topic-{run}")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=of_topic_arn, Attributes={"RawMessageDelivery": "true"})
    bus = events.create_event_bus(Name=f"bus-{run}")["EventBusArn"]
    events.put_rule(Name=f"all-{run}", EventBusName=f"bus-{run}", EventPattern=json.dumps({"source": ["signature-api"]}))
    events.put_targets(Rule=f"all-{run}", EventBusName=f"bus-{run}", Targets=[{"Id": "queue", "Arn": of_bus_arn}])
    for url, service, arn in ((of_topic, "sns", topic), (of_bus, "events", bus)):
        allowed = statement(Principal={"Service": f"{service}.amazonaws.com"}, Action="sqs:SendMessage", Resource="*")
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": allowed})
    kinesis.create_stream(StreamName=f"stream-{run}", ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName=f"stream-{run}", WaiterConfig={"Delay": 1})
    stream = kinesis.describe_stream(StreamName=f"stream-{run}")["StreamDescription"]["StreamARN"]
    made = {
        "accessKey": key["AccessKeyId"],
        "secretKey": key["SecretAccessKey"],
        "role": role(f"hermod-events-{run}", user["Arn"], everything, asking),
        "open": role(f"hermod-open-{run}", user["Arn"], everything, {}),
        "narrow": role(f"hermod-narrow-{run}", user["Arn"], "sqs:SendMessage", asking),
        "plain": plain_arn, "fifo": fifo_arn, "topic": topic, "bus": bus, "stream": stream,
    }
    return made, {"plain": plain, "fifo": fifo, "topic": of_topic, "bus": of_bus}


def messages(url):
    got, end = [], time.time() + 20
    while not got and time.time() < end:
        got = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1, MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"]).get("Messages", [])
    for m in got:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=m["ReceiptHandle"])
    return [
        {
            "body": m["Body"],
            "attributes": {name: value["StringValue"] for name, value in m.get("MessageAttributes", {}).items()},
            "types": {name: value["DataType"] for name, value in m.get("MessageAttributes", {}).items()},
            "group": m.get("Attributes", {}).get("MessageGroupId", ""),
            "once": m.get("Attributes", {}).get("MessageDeduplicationId", ""),
        }
        for m in got
    ]


def records():
    stream = f"stream-{run}"
    shard = kinesis.list_shards(StreamName=stream)["Shards"][0]["ShardId"]
    start = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    return [{"body": r["Data"].decode(), "group": r["PartitionKey"]} for r in kinesis.get_records(ShardIterator=start)["Records"]]


def verify(q):
    """Signs the request anew, by the SDK, as of the moment and over the headers that it says."""
    signed = {k.lower(): v for k, v in q["headers"].items()}
    parts = dict(part.split("=", 1) for part in signed.pop("authorization").removeprefix("AWS4-HMAC-SHA256 ").split(", "))
    _, _, of_region, service, _ = parts["Credential"].split("/")
    names = parts["SignedHeaders"].split(";")
    request = AWSRequest(method=q["method"], url=f"https://{signed['host']}{q['path']}", data=base64.b64decode(q["body"]), headers={n: signed[n] for n in names})
    request.context["timestamp"] = signed["x-amz-date"]
    auth = SigV4Auth(Credentials(q["accessKey"], q["secretKey"], q.get("token") or None), service, of_region)
    want = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    must = {"host", "x-amz-date", "content-type"} | ({"x-amz-security-token"} if q.get("token") else set())
    return {"ok": want == parts["Signature"] and must <= set(names), "want": want, "got": parts["Signature"], "service": service}


made, queues = account()
print(json.dumps(made), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    if "verify" in asked:
        answer = verify(asked["verify"])
    elif asked["read"] == "stream":
        answer = records()
    else:
        answer = messages(queues[asked["read"]])
    print(json.dumps(answer), flush=True)
