"""The raw configuration, merged from its three layers: a TOML file, systemd credentials, the environment; and how what
is wrong in it is told: in one line that names file, table and key."""

import difflib
import json
import os
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from sync.errors import ConfigurationError

ENV_PREFIX = "CONVENER_"


class _Layers(BaseSettings):
    """The raw configuration, merged from its three layers; tables are checked afterwards, each by its own model."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="ignore", hide_input_in_errors=True
    )

    database: str = "sqlite:///convener.db"
    archive: str = "archive"
    archive_url: Any = None
    archive_max_age: Any = None
    archive_max_size: Any = None
    secret_key: str | None = None
    daemon: dict[str, Any] = {}
    mail: dict[str, Any] | None = None
    sources: dict[str, Any] = {}
    vendors: dict[str, Any] = {}
    routes: dict[str, Any] = {}


def merged(path: Path) -> dict[str, Any]:
    """The three layers on top of each other."""

    class Layered(_Layers):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            toml = TomlConfigSettingsSource(settings_cls, path)
            for key in toml.toml_data:
                if key not in _Layers.model_fields:
                    raise ConfigurationError(unknown_key(path.name, "", key, _Layers))
            credentials = _Credentials(settings_cls, os.environ.get("CREDENTIALS_DIRECTORY"))
            above = (_Environment(settings_cls), credentials)
            return *(_as_spelled(layer, toml.toml_data) for layer in above), toml

    try:
        return Layered().model_dump()
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path.name}: not valid TOML: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigurationError(f"{path.name}: cannot be read: {reason}") from error
    except ValidationError as error:
        raise ConfigurationError(first_problem(path.name, "", _Layers, error)) from error


class _Environment(EnvSettingsSource):
    """Variables: JSON only where it is a table or a list, so that a password of digits stays one."""

    def decode_complex_value(self, field_name: str, field: Any, value: Any) -> Any:
        """Never raises: what is wrong is told by the table's own model."""
        with suppress(ValueError):
            decoded = json.loads(value)
            if isinstance(decoded, (dict, list)):
                return decoded
        return value


def _as_spelled(layer: PydanticBaseSettingsSource, file: Mapping[str, Any]) -> Any:
    """The layer's values under the names that the file uses: variables and credentials know no capitals."""

    def values() -> dict[str, Any]:
        found = layer()
        for first, table in found.items():
            if isinstance(table, dict) and isinstance(file.get(first), dict):
                spelled = {name.lower(): name for name in file[first]}
                found[first] = {spelled.get(name.lower(), name): value for name, value in table.items()}
        return found

    return values


class _Credentials(PydanticBaseSettingsSource):
    """systemd credentials: a file `vendors__main__password` is the key `password` of `[vendors.main]`."""

    def __init__(self, settings_cls: type[BaseSettings], folder: str | None) -> None:
        super().__init__(settings_cls)
        self._folder = Path(folder) if folder else None

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """Not used: `__call__` reads all at once."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """All credentials whose name starts with one of our tables or keys; others are not ours."""
        merged: dict[str, Any] = {}
        for file in sorted(self._folder.iterdir()) if self._folder and self._folder.is_dir() else ():
            first, *rest = file.name.lower().split("__")
            if first not in _Layers.model_fields:
                continue
            table = merged
            for part in [first, *rest][:-1]:
                table = table.setdefault(part, {})
                if not isinstance(table, dict):
                    raise ConfigurationError(f"credential {file.name}: another one is given in place of its table")
            try:
                table[[first, *rest][-1]] = file.read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
                raise ConfigurationError(f"credential {file.name}: cannot be read: {reason}") from error
        return merged


_PLAIN = {
    "missing": "missing",
    "model_type": "must be a table",
    "dict_type": "must be a table",
    "tuple_type": "must be a list",
}


def first_problem(file: str, table: str, model: type[BaseModel], error: ValidationError) -> str:
    """The first error as one line; unknown keys first, because a missing key is often a misspelt one."""
    problems = sorted(
        error.errors(include_url=False, include_input=False), key=lambda e: e["type"] != "extra_forbidden"
    )
    problem = problems[0]
    *outer, key = [str(part) for part in problem["loc"]] or [""]
    inner: Any = model
    for part in outer:
        field = _keys(inner).get(part)
        inner = field.annotation if field else None
        if inner is None:
            break
        has_keys = isinstance(inner, type) and issubclass(inner, BaseModel)
        table = f"{table}.{part}" if has_keys or get_origin(inner) is dict else table
    if problem["type"] == "extra_forbidden":
        return unknown_key(file, table, key, inner)
    message = _PLAIN.get(problem["type"], problem["msg"].removeprefix("Value error, "))
    if problem["type"] == "tuple_type" and (asked := _keys(inner).get(key)) and asked.examples:
        message += f" such as {asked.examples[0]}"
    if key.isdigit() and outer:
        key = outer[-1]
    if problem.get("ctx", {}).get("min_length") == 1:
        message = "must not be empty"
    where = f"[{table}] " if table else ""
    # A rule about several keys names them in its message.
    return f"{file}: {where}{f'{key}: ' if key else ''}{message[:1].lower() + message[1:]}"


def unknown_key(file: str, table: str, key: str, model: Any) -> str:
    """That the model has no such key, and which one is the nearest to it, in one line."""
    fields = _fields(model)
    # A field may have another name in our code, and people may guess that one: the key `from` is a `sender`.
    named = {one: field.alias or name for name, field in fields.items() for one in (name, field.alias or name)}
    near = difflib.get_close_matches(key, list(named), 1, 0.5)
    hint = f', did you mean "{named[near[0]]}"?' if near else f"; known are {', '.join(sorted(_keys(model)))}"
    return f"{file}: {f'[{table}] ' if table else ''}{key}: unknown key{hint}"


def _keys(model: Any) -> dict[str, FieldInfo]:
    """The fields of a model by the names that the configuration uses."""
    return {field.alias or name: field for name, field in _fields(model).items()}


def _fields(model: Any) -> dict[str, FieldInfo]:
    """The fields of a model; none of what is no model."""
    return model.model_fields if isinstance(model, type) and issubclass(model, BaseModel) else {}
