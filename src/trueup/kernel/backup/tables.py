"""Tables as lines of JSON, the same for every store, so that a back-up of one can be restored into another.

Left out: sessions (whoever restores an old back-up must not bring ended sessions back to life), what servers keep about
themselves while they run, and tables of libraries that hold nothing of ours.
"""

import base64
import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from django.db import connection, models

from trueup.kernel.errors import Damaged

CHUNK = 500
LEFT_OUT_APPS = ("contenttypes", "auth", "sessions", "usersessions", "messages", "staticfiles")
LEFT_OUT_MODELS = ("work.workerrow", "work.worker", "http.bucket")

type Model = type[models.Model]


def included(apps: Any) -> list[Model]:
    """Return the models that a back-up holds, by table."""
    found = [
        model
        for model in apps.get_models()
        if model._meta.app_label not in LEFT_OUT_APPS and model._meta.label_lower not in LEFT_OUT_MODELS
    ]
    return sorted(found, key=lambda model: model._meta.db_table)


def columns(model: Model) -> "list[models.Field[Any, Any]]":
    """Return a model's stored fields."""
    return [field for field in model._meta.local_concrete_fields if field.column]


def dump(model: Model, file: BinaryIO) -> dict[str, Any]:
    """Write every row of a table, one line each; return their count and digest.

    The attempt that makes the back-up is left out: in the restored store nobody would ever end it.
    """
    fields = columns(model)
    digest, rows = hashlib.sha256(), 0
    for row in _rows(model):
        line = json.dumps({f.attname: _plain(getattr(row, f.attname)) for f in fields}, ensure_ascii=False, separators=(",", ":"))
        data = line.encode() + b"\n"
        digest.update(data)
        file.write(data)
        rows += 1
    return {"model": model._meta.label_lower, "rows": rows, "sha256": digest.hexdigest()}


def _rows(model: Model) -> Iterator[models.Model]:
    rows = model._base_manager.order_by("pk")
    if model._meta.label_lower == "actions.attempt":
        rows = rows.exclude(action="system.backup.create", state="running")
    return rows.iterator(chunk_size=CHUNK)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def load(model: Model, path: Path) -> int:
    """Insert every row of a dumped table, inside the caller's transaction; return how many.

    Raises:
        Damaged: a line is no row of this table; names it.
    """
    fields = {field.attname: field for field in columns(model)}
    batch: list[models.Model] = []
    count = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                batch.append(model(**{name: _typed(fields[name], value) for name, value in json.loads(line).items()}))
            except (ValueError, TypeError, KeyError) as exc:
                raise Damaged(f"{path.name}:{number}: is no row of {model._meta.db_table}: {exc}") from exc
            if len(batch) == CHUNK:
                count += _insert(model, batch)
    return count + _insert(model, batch)


def _insert(model: Model, batch: list[models.Model]) -> int:
    made = len(model._base_manager.bulk_create(batch))
    batch.clear()
    return made


def _typed(field: Any, value: Any) -> Any:
    if value is None:
        return None
    plain = field.target_field if field.is_relation else field
    if isinstance(plain, models.BinaryField):
        return base64.b64decode(value, validate=True)
    if isinstance(plain, models.JSONField):
        return value
    if isinstance(plain, models.DateTimeField):
        return datetime.fromisoformat(value)
    return plain.to_python(value)


def continue_numbers(found: list[Model]) -> None:
    """Let PostgreSQL's sequences go on after the highest number that was restored."""
    from django.core.management.color import no_style

    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), found):
            cursor.execute(statement)
