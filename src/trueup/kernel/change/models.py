"""What waits for people: requests, the votes on them, and the rules of how many votes are needed."""

import uuid

from django.db import models


class Request(models.Model):
    """An action that waits for consent, bound to one attempt and the digest of its exact input.

    ``input`` is the input as people may see it, JSON text; what runs is the attempt's own. ``asked_by`` is who asked,
    ``person`` whoever stands behind that. ``outcome`` says in one word why a request is void, or how its run ended.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    tenant = models.UUIDField()
    attempt = models.UUIDField(unique=True)
    digest = models.CharField(max_length=64)
    action = models.TextField()
    risk = models.CharField(max_length=2)
    resource = models.TextField()
    asked_by = models.TextField()
    person = models.TextField()
    input = models.TextField()
    state = models.CharField(max_length=10)
    outcome = models.TextField(blank=True)
    votes_needed = models.IntegerField()
    voter_roles = models.JSONField(default=list)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["tenant", "state", "created_at"], name="request_tenant_state")]


class Vote(models.Model):
    """One person's consent or refusal; a person has one vote, whatever keys they hold."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    tenant = models.UUIDField()
    request = models.ForeignKey(Request, on_delete=models.CASCADE)
    person = models.TextField()
    principal = models.TextField()
    choice = models.CharField(max_length=10)
    comment = models.TextField(blank=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["request", "person"], name="vote_once_a_person")]


class Rule(models.Model):
    """How much consent an action needs. ``applies_to`` is the name of an action, a risk (``R3``), or ``*``."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    tenant = models.UUIDField()
    applies_to = models.TextField()
    votes = models.IntegerField()
    expires_after = models.IntegerField()
    roles = models.JSONField(default=list)
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "applies_to"], name="rule_once")]
