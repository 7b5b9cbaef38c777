"""Prints what the functions logged in the emulator, the oldest first."""

import boto3

logs = boto3.client("logs")
events = []
for group in logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/")["logGroups"]:
    for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"]):
        events += [(e["timestamp"], group["logGroupName"].rsplit("-", 1)[1], e["message"].rstrip()) for e in page["events"]]
for _, function, message in sorted(events, key=lambda e: e[0]):
    if not message.startswith(("START ", "END ", "REPORT ")):
        print(f"{function}: {message}")
