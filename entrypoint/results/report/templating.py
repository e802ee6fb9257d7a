"""How pages are made of templates, and what a page may do in a browser."""

import base64
import hashlib
from importlib.resources import files

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

_PACKAGE = "entrypoint.results.report"


def environment(*packages: str) -> Environment:
    """Of the templates of these packages and of the report; every value is escaped, and a name without one an error."""
    return Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in (*packages, _PACKAGE)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def source(name: str) -> str:
    """A script or style sheet of the report."""
    return files(_PACKAGE).joinpath("templates", name).read_text("utf-8")


def policy(script: str, style: str) -> str:
    """The content security policy of a page with this script, which may be empty, and this style sheet.

    It runs and applies these alone, and loads nothing but pictures and videos beside it.
    """
    scripts = f"'sha256-{_digest(script)}'" if script else "'none'"
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'sha256-{_digest(style)}'; img-src 'self' data:; "
        "media-src 'self'; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
