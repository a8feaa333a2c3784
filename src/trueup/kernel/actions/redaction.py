"""Inputs as they may be stored and shown: secret fields keep their name and lose their value."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, SecretBytes, SecretStr

MASK = "[redacted]"
_NOT_EVEN_HASHED = "[not even hashed]"
_PLAIN = (str, int, float, bool, type(None))  # by far the most common, and asked for first


class Password(SecretStr):
    """A secret that a person chose: not even a salted digest of it is stored, because it could be guessed from one."""


def redacted(value: BaseModel) -> dict[str, Any]:
    """Return an input as JSON-able data with every secret masked, at any depth."""
    return {name: _mask(getattr(value, name)) for name in type(value).model_fields}


def _mask(value: Any) -> Any:
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, SecretStr | SecretBytes):
        return MASK
    if isinstance(value, BaseModel):
        return redacted(value)
    if isinstance(value, Mapping):
        return {str(key): _mask(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = [_mask(item) for item in value]
        return sorted(items, key=repr) if isinstance(value, set | frozenset) else items
    return str(value)


def revealed(value: Any) -> Any:
    """Return JSON-able data with secrets in the clear: only ever hashed, never stored."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Password):
        return _NOT_EVEN_HASHED
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, SecretBytes):
        return value.get_secret_value().hex()
    if isinstance(value, BaseModel):
        return {name: revealed(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {str(key): revealed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [revealed(item) for item in value]
    return _mask(value)


def has_secrets(value: BaseModel) -> bool:
    """Tell whether an input holds a secret at any depth."""
    return MASK in json.dumps(redacted(value)) and redacted(value) != revealed(value)
