"""JMESPath (jmespath.org/specification.html): the questions that a profile asks of an answer. Pure: they compute
nothing but what is in the document."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult
from pydantic import AfterValidator

from connectors.sources.http_json.templates import Values, fill, names_in


class Unanswerable(ValueError):
    """The document is not of the kind that the expression is for."""


def _compiles(text: str) -> str:
    try:
        jmespath.compile(text)
    except JMESPathError as error:
        told = " ".join(str(error).split("\n", 1)[0].split())
        raise ValueError(f"not a JMESPath expression: {told}") from error
    return text


Expression = Annotated[str, AfterValidator(_compiles)]
"""A setting that is a JMESPath expression, compiled when the configuration is read."""


@lru_cache(maxsize=1024)
def _compiled(text: str) -> Any:
    return jmespath.compile(text)


def search(expression: str, document: Any, values: Values | None = None) -> Any:
    """What the expression finds, None when there is nothing.

    With `values` the `${names}` in its literals stand for them; they are put into the compiled expression, so that a
    quote in a value is only a quote. Raises Unanswerable.
    """
    compiled = _compiled(expression)
    if values is not None and "${" in expression:
        compiled = ParsedResult(expression, _filled(compiled.parsed, values))
    try:
        return compiled.search(document)
    except (JMESPathError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
        raise Unanswerable(f"{type(error).__name__} in an expression") from error


def truth(expression: str, document: Any, values: Values | None = None) -> bool:
    """Whether the expression holds, as JMESPath sees it: false, null and what is empty do not, 0 does. What cannot be
    answered does not hold."""
    try:
        found = search(expression, document, values)
    except Unanswerable:
        return False
    return found is not None and found is not False and not (isinstance(found, (str, list, dict)) and not found)


def names_of(expression: str) -> set[str]:
    """The `${names}` in an expression's literals. Raises ValueError for one that is not within a literal."""
    named = set(names_in(expression))
    if named - set(_literals(_compiled(expression).parsed)):
        raise ValueError("a ${name} can only stand in a literal, such as '${join_url}'")
    return named


def _literals(node: Any) -> set[str]:
    if not isinstance(node, Mapping):
        return set()
    found = set(names_in(node["value"])) if node["type"] == "literal" else set()
    for child in node.get("children", ()):
        found |= _literals(child)
    return found


def _filled(node: Any, values: Values) -> Any:
    if not isinstance(node, Mapping):
        return node
    node = {**node, "children": [_filled(child, values) for child in node.get("children", ())]}
    if node["type"] == "literal" and isinstance(node["value"], str):
        node["value"] = fill(node["value"], values)
    return node
