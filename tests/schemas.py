"""Validation against the JSON Schemas that the package carries."""

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

import entrypoint

FOLDER = Path(entrypoint.__file__).parent / "results" / "schemas"


def assert_valid(value: Any, name: str) -> None:
    """Fails with the first violation of `name`.schema.json; also when the value is not standard JSON."""
    schemas = {path.name: json.loads(path.read_bytes()) for path in FOLDER.glob("*.schema.json")}
    registry: Registry[Any] = Registry().with_resources(
        (file, Resource.from_contents(schema)) for file, schema in schemas.items()
    )
    schema = schemas[f"{name}.schema.json"]
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema, registry=registry, format_checker=FormatChecker()).validate(value)
    json.dumps(value, allow_nan=False)
