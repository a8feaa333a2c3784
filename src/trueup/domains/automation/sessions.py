"""Browser sessions that are kept from one job to another: sealed, for one authority, for a day at most."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction
from pydantic import SecretStr

from trueup.domains.automation.models import KeptSession
from trueup.kernel.actions.base import Context
from trueup.kernel.errors import Damaged, UsageError
from trueup.kernel.secrets.vault import Vault

HOURS = 24
MOST = 1 << 20
"""Bytes of a session, unsealed."""


def _vault(ctx: Context) -> Vault:
    return Vault(ctx.ports.keys.path / "secrets.key")


def _bound(name: str, authority: str) -> str:
    return f"automation-session/{authority}/{name}"


def kept(ctx: Context, name: str, authority: str, state: Mapping[str, Any], lasts: timedelta) -> None:
    """Seal a session, and keep it instead of the one before.

    Raises:
        UsageError: it is too large.
    """
    text = json.dumps(state, separators=(",", ":"))
    if len(text) > MOST:
        raise UsageError(f"a session of more than {MOST} bytes is not kept")
    lasts = min(lasts, timedelta(hours=HOURS))
    with transaction.atomic():
        row = KeptSession.objects.select_for_update().filter(tenant=ctx.tenant, name=name).first()
        version = row.version + 1 if row else 1
        nonce, sealed = _vault(ctx).seal(ctx.tenant, _bound(name, authority), version, SecretStr(text))
        KeptSession.objects.update_or_create(
            tenant=ctx.tenant,
            name=name,
            defaults={
                "authority": authority,
                "version": version,
                "nonce": nonce,
                "sealed": sealed,
                "at": ctx.now,
                "until": ctx.now + lasts,
            },
        )


def opened(ctx: Context, name: str, authority: str) -> Mapping[str, Any] | None:
    """Return a session that is kept for an authority; None where there is none, it is another's, or it has ended."""
    row = KeptSession.objects.filter(tenant=ctx.tenant, name=name, authority=authority, until__gt=ctx.now).first()
    if row is None:
        return None
    try:
        text = _vault(ctx).unseal(ctx.tenant, _bound(name, authority), row.version, bytes(row.nonce), bytes(row.sealed))
    except Damaged:
        return None
    found: Mapping[str, Any] = json.loads(text.get_secret_value())
    return found
