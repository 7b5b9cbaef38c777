"""Checks docs/openapi.yaml by the rules of OpenAPI 3.1, its published schema included: description.py FILE."""

import sys

import yaml
from openapi_spec_validator import OpenAPIV31SpecValidator

with open(sys.argv[1], encoding="utf-8") as file:
    description = yaml.safe_load(file)
# An alias is a path item that refers to another one. The validator takes each for operations of their own, whose ids are not unique.
description["paths"] = {path: item for path, item in description["paths"].items() if "$ref" not in item}
errors = list(OpenAPIV31SpecValidator(description).iter_errors())
for error in errors:
    print("/".join(str(part) for part in getattr(error, "absolute_path", [])), error, file=sys.stderr)
sys.exit(1 if errors else 0)
