"""What is stored of automation: policies about hosts, who authorized what, and what is switched off."""

from django.db import models


class PolicyVersion(models.Model):
    """One version of the policy about a host; insert-only, the newest of a pattern holds."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.UUIDField()
    pattern = models.CharField(max_length=255)
    version = models.IntegerField()
    retired = models.BooleanField(default=False)
    body = models.JSONField()
    at = models.DateTimeField()
    by = models.CharField(max_length=120)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "pattern", "version"], name="host_policy_version_once")]


class Listing(models.Model):
    """What holds for hosts that no policy names; insert-only, the newest holds."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.UUIDField()
    listing = models.CharField(max_length=10)  # allowlist or denylist
    at = models.DateTimeField()
    by = models.CharField(max_length=120)

    class Meta:
        indexes = [models.Index(fields=["tenant", "id"], name="listing_newest")]


class Switch(models.Model):
    """That a host, or everything, was switched off or on again; insert-only, the newest of a pattern holds."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.UUIDField()
    pattern = models.CharField(max_length=255)
    off = models.BooleanField()
    reason = models.TextField()
    at = models.DateTimeField()
    by = models.CharField(max_length=120)

    class Meta:
        indexes = [models.Index(fields=["tenant", "pattern", "id"], name="switch_newest")]


class Authorization(models.Model):
    """What somebody entitled to it allows; each change raises ``version``, and jobs freeze the one they began with."""

    id = models.UUIDField(primary_key=True)
    tenant = models.UUIDField()
    version = models.IntegerField(default=1)
    state = models.CharField(max_length=20)  # see ``engine.authorizing.State``
    host = models.CharField(max_length=255)
    ports = models.JSONField(default=list)
    path = models.CharField(max_length=500, default="/")
    method = models.CharField(max_length=20)
    own = models.BooleanField(default=False)
    inside = models.BooleanField(default=False)
    strategies = models.JSONField(default=list)
    job_types = models.JSONField(default=list)
    max_rps = models.FloatField(null=True)
    max_concurrent = models.IntegerField(null=True)
    max_requests = models.BigIntegerField(null=True)
    opens = models.DateTimeField(null=True)
    closes = models.DateTimeField(null=True)
    expires = models.DateTimeField()
    contact = models.CharField(max_length=200)
    token = models.CharField(max_length=64)
    evidence = models.CharField(max_length=64, blank=True)  # SHA-256 of what proved it, or of the letter
    verified_at = models.DateTimeField(null=True)
    verified_by = models.CharField(max_length=120, blank=True)
    approver = models.CharField(max_length=120, blank=True)
    asked_at = models.DateTimeField()
    asked_by = models.CharField(max_length=120)

    class Meta:
        indexes = [models.Index(fields=["tenant", "host"], name="authorization_host")]
