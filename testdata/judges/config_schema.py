"""Judges every *.yaml of a folder by the schema.json in it; prints what is wrong with each as JSON."""

import datetime
import json
import pathlib
import sys

import jsonschema
import ruamel.yaml


def as_json(value):
    """A date of YAML is a text in JSON, and so is a key that is a number."""
    if isinstance(value, dict):
        return {str(k): as_json(v) for k, v in value.items()}
    if isinstance(value, list):
        return [as_json(v) for v in value]
    if isinstance(value, (datetime.date, datetime.datetime)):
        return str(value)
    return value


folder = pathlib.Path(sys.argv[1])
schema = json.loads((folder / "schema.json").read_text(encoding="utf-8"))
jsonschema.Draft202012Validator.check_schema(schema)
judge = jsonschema.Draft202012Validator(schema)
found = {}
for file in sorted(folder.glob("*.yaml")):
    try:
        value = as_json(ruamel.yaml.YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8")))
    except ruamel.yaml.error.YAMLError as err:
        found[file.name] = f"no YAML: {err}"
        continue
    error = next(iter(judge.iter_errors(value)), None)
    found[file.name] = "" if error is None else f"{list(error.path)}: {error.message}"[:300]
json.dump(found, sys.stdout)
