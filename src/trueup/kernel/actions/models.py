"""What the actions room stores."""

from django.db import models


class Attempt(models.Model):
    """One carrying-out of an action, from before its work until its outcome.

    ``owner`` names the process that works on it (a lock file it holds), so that a recovery can tell a running attempt
    from an abandoned one.
    """

    id = models.UUIDField(primary_key=True)
    tenant = models.UUIDField()
    action = models.TextField()
    principal = models.TextField()
    key = models.TextField(null=True)  # noqa: DJ001 - NULL, unlike '', does not collide in the unique constraint
    input_digest = models.CharField(max_length=64)
    salt = models.CharField(max_length=32)
    input = models.TextField()
    state = models.TextField()
    owner = models.TextField()
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    result = models.TextField()
    error = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "action", "key"], name="attempt_idempotency_key")]
        indexes = [models.Index(fields=["tenant", "state"], name="attempt_tenant_state")]
