"""What the work room stores: jobs and what happened to them, schedules, the outbox of events, workers."""

from django.db import models
from django.db.models import Q


class Job(models.Model):
    """One piece of durable work, written in the transaction of the change that caused it.

    ``fence`` rises each time a worker takes it; whoever holds an older one can write nothing. ``lease_until`` is on the
    scale of :class:`Scale`, not of a clock. ``rank`` is its place in the queue, priority and age in one number.
    """

    id = models.UUIDField(primary_key=True)
    tenant = models.UUIDField()
    kind = models.TextField()
    args = models.TextField()
    key = models.TextField(null=True)  # noqa: DJ001 - NULL, unlike '', does not collide in the unique constraint
    priority = models.SmallIntegerField()
    rank = models.BigIntegerField()
    concurrency_key = models.TextField()
    state = models.TextField()
    cancel_asked = models.BooleanField(default=False)
    fence = models.BigIntegerField(default=0)
    lease_until = models.BigIntegerField(default=0)
    worker = models.TextField(default="")
    attempts = models.IntegerField(default=0)
    max_attempts = models.IntegerField()
    not_before = models.DateTimeField()
    progress = models.FloatField(default=0.0)
    words = models.TextField(default="")
    principal = models.TextField()
    result = models.TextField(default="")
    error = models.TextField(default="")
    entry = models.BigIntegerField()
    trace = models.CharField(max_length=32, default="")
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "kind", "key"], condition=Q(key__isnull=False), name="job_key_once"),
            models.UniqueConstraint(
                fields=["tenant", "concurrency_key"],
                condition=Q(state="running") & ~Q(concurrency_key=""),
                name="job_one_runs_a_key",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "state", "created_at", "id"], name="job_tenant_state"),
            models.Index(fields=["tenant", "created_at", "id"], name="job_tenant_created"),
            models.Index(fields=["rank", "id"], condition=Q(state="queued"), name="job_queue"),
            models.Index(fields=["tenant", "lease_until"], condition=Q(state="running"), name="job_running"),
        ]


class JobEvent(models.Model):
    """One thing that happened to a job, or one line that it logged; rows are added, and go when their job is pruned.

    ``digest`` is set where the job ended; ``batch`` names the entry that records the ending in the ledger.
    """

    id = models.BigAutoField(primary_key=True)
    tenant = models.UUIDField()
    job = models.UUIDField()
    at = models.DateTimeField()
    what = models.TextField()
    words = models.TextField()
    fence = models.BigIntegerField()
    digest = models.TextField()
    batch = models.UUIDField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["job", "id"], name="jobevent_job"),
            models.Index(fields=["tenant", "id"], condition=Q(batch__isnull=True) & ~Q(digest=""), name="jobevent_unrecorded"),
            models.Index(fields=["batch"], condition=Q(batch__isnull=False), name="jobevent_batch"),
        ]


class Tally(models.Model):
    """How many jobs are in one state; written by triggers alone, see :mod:`tallies`. Several rows of a cell are added up."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.UUIDField()
    kind = models.TextField()
    state = models.TextField()
    priority = models.SmallIntegerField()
    n = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["tenant", "kind", "state", "priority"], name="tally_cell")]


class TenantLimit(models.Model):
    """How many jobs of a tenant may run at once, over all workers."""

    tenant = models.UUIDField(primary_key=True)
    running = models.IntegerField()


class Schedule(models.Model):
    """Work that comes again and again; ``version`` rises with each firing, so two schedulers never fire the same one."""

    id = models.UUIDField(primary_key=True)
    tenant = models.UUIDField()
    name = models.TextField()
    kind = models.TextField()
    args = models.TextField()
    cron = models.TextField()
    every = models.IntegerField()
    jitter = models.IntegerField()
    timezone = models.TextField()
    missed = models.TextField()
    enabled = models.BooleanField()
    priority = models.SmallIntegerField()
    concurrency_key = models.TextField()
    principal = models.TextField()
    entry = models.BigIntegerField(default=0)
    anchor = models.DateTimeField()
    planned_at = models.DateTimeField()
    next_at = models.DateTimeField()
    last_at = models.DateTimeField(null=True)
    version = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="schedule_name_once")]
        indexes = [models.Index(fields=["enabled", "next_at"], name="schedule_due")]


class OutboxEvent(models.Model):
    """Something that happened, in the transaction in which it did; the dispatcher hands it to its subscribers."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.UUIDField()
    name = models.TextField()
    subject = models.TextField()
    data = models.TextField()
    entry = models.BigIntegerField()
    at = models.DateTimeField()
    dispatched = models.BooleanField(default=False)

    class Meta:
        indexes = [models.Index(fields=["id"], condition=Q(dispatched=False), name="outbox_new")]


class Delivery(models.Model):
    """One event on its way to one subscriber: waiting for those before it, sent as a job, or no longer open."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.UUIDField()
    event = models.BigIntegerField()
    subscriber = models.TextField()
    subject = models.TextField()
    open = models.BooleanField(default=True)
    job = models.UUIDField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["event", "subscriber"], name="delivery_once")]
        indexes = [models.Index(fields=["tenant", "subscriber", "subject", "id"], condition=Q(open=True), name="delivery_open")]


class WorkerRow(models.Model):
    """A process that works, as it last said of itself.

    ``owner`` is the lock that it holds as long as it lives, ``place`` the home in which that lock can be looked at.
    """

    id = models.UUIDField(primary_key=True)
    host = models.TextField()
    pid = models.IntegerField()
    slots = models.IntegerField()
    busy = models.IntegerField()
    ended = models.BigIntegerField()
    state = models.TextField()
    owner = models.TextField()
    place = models.TextField()
    started = models.DateTimeField()
    seen = models.DateTimeField()


class Scale(models.Model):
    """The work time: the highest reading that any worker has published; one row, and it never falls."""

    id = models.SmallIntegerField(primary_key=True)
    micros = models.BigIntegerField()
