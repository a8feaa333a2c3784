"""What is stored of subjects: their canonical ids, the names they go by, and which were found to be one."""

from django.db import models


class Subject(models.Model):
    """One thing, under its canonical id (``device/C02XK1``); ``merged_into`` names the id it now goes by."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.UUIDField()
    name = models.CharField(max_length=220)
    label = models.TextField(blank=True)
    created_at = models.DateTimeField()
    merged_into = models.CharField(max_length=220, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="subject_once")]
        indexes = [models.Index(fields=["tenant", "merged_into"], name="subject_merged")]


class Alias(models.Model):
    """A name of a subject in some namespace, in its normal form. Strong ones belong to one subject at a time."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.UUIDField()
    namespace = models.CharField(max_length=32)
    value = models.CharField(max_length=400)
    subject = models.CharField(max_length=220)
    strong = models.BooleanField()
    added_at = models.DateTimeField()
    source = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "namespace", "value", "subject"], name="alias_once"),
            models.UniqueConstraint(
                fields=["tenant", "namespace", "value"], condition=models.Q(strong=True), name="alias_strong_once"
            ),
        ]
        indexes = [models.Index(fields=["tenant", "subject"], name="alias_subject")]


class Merge(models.Model):
    """That two subjects were found to be one: by whom, why, and whether it was taken back."""

    id = models.UUIDField(primary_key=True)
    tenant = models.UUIDField()
    gone = models.CharField(max_length=220)
    into = models.CharField(max_length=220)
    likeness = models.CharField(max_length=16)
    reasons = models.TextField()
    comment = models.TextField()
    principal = models.TextField()
    at = models.DateTimeField()
    undone_at = models.DateTimeField(null=True)
    undone_by = models.TextField(blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "into"], name="merge_into"),
            models.Index(fields=["tenant", "gone"], name="merge_gone"),
        ]
