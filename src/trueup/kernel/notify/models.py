"""What is stored of alerts: their state, where they are told, and what was delivered."""

from django.db import models
from django.db.models import Q


class Alert(models.Model):
    """Something that somebody should look at; raised again under its key it is the same alert, until it is resolved."""

    id = models.UUIDField(primary_key=True)
    tenant = models.UUIDField()
    key = models.CharField(max_length=500)
    rule = models.CharField(max_length=120)
    subject = models.CharField(max_length=300)
    severity = models.SmallIntegerField()
    title = models.TextField()
    detail = models.TextField()
    state = models.CharField(max_length=16)
    count = models.IntegerField(default=1)
    opened_at = models.DateTimeField()
    last_at = models.DateTimeField()
    changed_by = models.TextField(blank=True)
    changed_at = models.DateTimeField(null=True)
    comment = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "key"], condition=~Q(state="resolved"), name="alert_live_once"),
        ]
        indexes = [
            models.Index(fields=["tenant", "state", "-last_at"], name="alert_state"),
            models.Index(fields=["tenant", "subject"], name="alert_subject"),
        ]


class Sink(models.Model):
    """Where alerts of a tenant are told, from a severity upwards."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.UUIDField()
    name = models.CharField(max_length=60)
    kind = models.CharField(max_length=16)
    target = models.CharField(max_length=200, blank=True)
    severity = models.SmallIntegerField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="sink_once")]


class Delivery(models.Model):
    """One telling of one alert to one sink: written with the change, delivered by a job."""

    id = models.UUIDField(primary_key=True)
    tenant = models.UUIDField()
    alert = models.UUIDField()
    sink = models.CharField(max_length=60)
    kind = models.CharField(max_length=16)
    target = models.CharField(max_length=200, blank=True)
    told = models.CharField(max_length=16)
    body = models.TextField()
    created_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["tenant", "alert"], name="delivery_alert")]
