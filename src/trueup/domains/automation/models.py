"""What is stored of automation: policies about hosts, who authorized what, what is switched off, and how jobs ended."""

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


class Run(models.Model):
    """One attempt at a job, as it ended; insert-only. What it did, step by step, is in the artifact ``manifest``."""

    id = models.UUIDField(primary_key=True)
    tenant = models.UUIDField()
    job = models.UUIDField()
    attempt = models.IntegerField()
    authority = models.CharField(max_length=300)
    url = models.TextField()
    job_type = models.CharField(max_length=40)
    strategy = models.CharField(max_length=20)
    mode = models.CharField(max_length=30)
    executor = models.CharField(max_length=10)  # http or browser
    ended = models.CharField(max_length=12)  # see ``engine.endings.Ending``
    final = models.BooleanField()  # no further attempt is made
    code = models.CharField(max_length=40, blank=True)
    reason = models.TextField(blank=True)
    begun = models.DateTimeField()
    at = models.DateTimeField()
    elapsed_ms = models.IntegerField()
    steps = models.IntegerField(default=0)
    summary = models.JSONField(default=dict)
    manifest = models.CharField(max_length=64)
    record = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "job", "attempt"], name="run_attempt_once")]
        indexes = [
            models.Index(fields=["tenant", "at", "id"], name="run_newest"),
            models.Index(fields=["tenant", "authority", "at"], name="run_authority"),
        ]


class Intent(models.Model):
    """A request of a job that changes something out there, written down before it is sent."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.UUIDField()
    job = models.UUIDField()
    number = models.IntegerField()  # counts the job's such requests
    method = models.CharField(max_length=10)
    authority = models.CharField(max_length=300)
    state = models.CharField(max_length=10)  # sent: it may have been taken, whatever came back
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "job", "number"], name="intent_once")]


class KeptSession(models.Model):
    """A browser's storage after somebody signed in, sealed; it belongs to one authority and ends by itself."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.UUIDField()
    name = models.CharField(max_length=120)
    authority = models.CharField(max_length=300)
    version = models.IntegerField()
    nonce = models.BinaryField()
    sealed = models.BinaryField()
    at = models.DateTimeField()
    until = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="session_once")]
