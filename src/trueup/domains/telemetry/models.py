"""What is stored of telemetry: runs and their metrics, what they were found to be, and what they are held against.

The samples themselves are artifacts; rows here name them by their SHA-256.
"""

from django.db import models


class Circumstances(models.Model):
    """What was tested and under which circumstances; an empty text says that it was not said."""

    program = models.CharField(max_length=120, blank=True)
    subsystem = models.CharField(max_length=120, blank=True)
    test_name = models.CharField(max_length=120, blank=True)
    context = models.JSONField(default=dict)  # the fields of ``engine.circumstances.CONTEXT`` that were said

    class Meta:
        abstract = True


class Run(Circumstances):
    """One recorded run; its data never changes, what it was last found to be does."""

    id = models.UUIDField(primary_key=True)
    tenant = models.UUIDField()
    name = models.CharField(max_length=100)
    source = models.CharField(max_length=40)
    file_name = models.TextField()
    sha256 = models.CharField(max_length=64)
    mapping = models.JSONField()  # canonical name → raw name, unit, factor, offset
    build = models.JSONField(default=dict)
    numbers = models.CharField(max_length=64)  # SHA-256 of the numbers of all its metrics
    rows = models.BigIntegerField()
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField()
    recorded_by = models.CharField(max_length=120)
    verdict = models.CharField(max_length=20, blank=True)
    analysed_at = models.DateTimeField(null=True)
    by_policy = models.BooleanField(default=False)  # whether the verdict is the policy's own, not of a comparison asked for
    against = models.UUIDField(null=True)  # the version or run that the verdict is about

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="run_name_once")]
        indexes = [
            models.Index(fields=["tenant", "recorded_at"], name="run_recorded"),
            models.Index(fields=["tenant", "program", "subsystem", "test_name", "recorded_at"], name="run_scope"),
        ]


class RunMetric(models.Model):
    """The numbers of one metric of a run."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.UUIDField()
    run = models.UUIDField()
    metric = models.CharField(max_length=200)
    unit = models.CharField(max_length=60, blank=True)
    n = models.BigIntegerField()
    mean = models.FloatField(null=True)
    sd = models.FloatField(null=True)
    low = models.FloatField(null=True)
    high = models.FloatField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "run", "metric"], name="run_metric_once")]
        indexes = [models.Index(fields=["tenant", "metric"], name="run_metric_name")]


class Analysis(models.Model):
    """One comparison of a run with what was chosen for it; insert-only."""

    id = models.UUIDField(primary_key=True)
    tenant = models.UUIDField()
    run = models.UUIDField()
    at = models.DateTimeField()
    verdict = models.CharField(max_length=20)
    by_policy = models.BooleanField(default=False)
    findings = models.IntegerField()
    found = models.JSONField(default=list)  # metric, kind and effect of the strongest findings
    baseline = models.JSONField()  # kind, id, name, digest, strategy, reason, level, matched
    config_digest = models.CharField(max_length=64)
    comparison = models.CharField(max_length=64)
    report = models.CharField(max_length=64, blank=True)

    class Meta:
        indexes = [models.Index(fields=["tenant", "run", "at"], name="analysis_run")]


class Baseline(Circumstances):
    """One version of a baseline; insert-only, and bound to its runs by ``digest``."""

    id = models.UUIDField(primary_key=True)
    tenant = models.UUIDField()
    name = models.CharField(max_length=40)
    manifest = models.JSONField()  # the runs with the SHA-256 of their data, in their order
    digest = models.CharField(max_length=64)
    quality = models.JSONField()
    founding = models.JSONField(default=list)  # names of its runs that no baseline was there for
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=120)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="baseline_name_once")]
        indexes = [models.Index(fields=["tenant", "program", "subsystem", "test_name", "created_at"], name="baseline_scope")]


class BaselineTag(models.Model):
    """That a version was given a tag, or had it given back by a rollback; insert-only, the newest of a scope holds."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.UUIDField()
    tag = models.CharField(max_length=40)
    scope = models.CharField(max_length=64)  # digest of program, subsystem, test and context
    baseline = models.UUIDField()
    previous = models.UUIDField(null=True)
    kind = models.CharField(max_length=10)  # promote or rollback
    reason = models.TextField(blank=True)
    at = models.DateTimeField()
    by = models.CharField(max_length=120)

    class Meta:
        indexes = [models.Index(fields=["tenant", "tag", "scope", "id"], name="baseline_tag_newest")]


class Configuration(models.Model):
    """One version of a tenant's baseline policy, metric registry or schema; insert-only, the newest of a kind holds."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.UUIDField()
    kind = models.CharField(max_length=20)
    digest = models.CharField(max_length=64)
    body = models.JSONField()
    at = models.DateTimeField()
    by = models.CharField(max_length=120)

    class Meta:
        indexes = [models.Index(fields=["tenant", "kind", "id"], name="configuration_newest")]
