"""What the secrets room stores: sealed values, never plain ones."""

import uuid

from django.db import models


class Secret(models.Model):
    """One secret of one tenant, sealed with the home's secrets key."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    tenant = models.UUIDField()
    name = models.TextField()
    version = models.IntegerField()
    nonce = models.BinaryField()
    sealed = models.BinaryField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="secret_name_once")]
