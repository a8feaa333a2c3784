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


class Meter(models.Model):
    """What one authority, or one authorization, was used for of late; the row is locked while it is read and written."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.UUIDField()
    authority = models.CharField(max_length=300)
    usage = models.JSONField(default=dict)  # see ``meters``

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "authority"], name="meter_once")]


class BreakerRow(models.Model):
    """Where the breaker of one authority stands."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.UUIDField()
    authority = models.CharField(max_length=300)
    phase = models.CharField(max_length=10, default="closed")  # see ``engine.breaker.Phase``
    failures = models.IntegerField(default=0)
    trips = models.IntegerField(default=0)
    until = models.DateTimeField(null=True)
    forced = models.BooleanField(default=False)
    reason = models.TextField(blank=True)  # of the last failure, or of who opened it
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "authority"], name="breaker_once")]


class RobotsCopy(models.Model):
    """What a site asks robots not to fetch, as it was read last."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.UUIDField()
    origin = models.CharField(max_length=300)
    answer = models.CharField(max_length=12)  # see ``egress.robots.Answer``
    body = models.BinaryField(default=b"")
    until = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "origin"], name="robots_copy_once")]
