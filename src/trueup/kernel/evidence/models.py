"""What the evidence room stores. Every table is insert-only but ``Pending``; triggers hold that (``guards``)."""

from django.db import models


class Install(models.Model):
    """This installation's identity, one row, part of every log's origin."""

    id = models.UUIDField(primary_key=True)
    created_at = models.DateTimeField()


class Entry(models.Model):
    """One ledger entry: the stored bytes are the leaf of the tenant's log."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.UUIDField()
    body = models.BinaryField()
    hash = models.BinaryField(max_length=32)

    class Meta:
        indexes = [models.Index(fields=["tenant", "id"], name="entry_tenant_id")]


class Pending(models.Model):
    """Entries that the sequencer has not yet given an index."""

    entry = models.BigIntegerField(primary_key=True)
    tenant = models.UUIDField(db_index=True)


class Leaf(models.Model):
    """An entry's place in its tenant's log."""

    pk = models.CompositePrimaryKey("tenant", "index")
    tenant = models.UUIDField()
    index = models.BigIntegerField()
    entry = models.BigIntegerField(db_index=True)
    hash = models.BinaryField(max_length=32)


class Checkpoint(models.Model):
    """A signed statement of a log's size and root."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.UUIDField()
    size = models.BigIntegerField()
    root = models.BinaryField(max_length=32)
    frontier = models.BinaryField()
    note = models.TextField()

    class Meta:
        indexes = [models.Index(fields=["tenant", "size"], name="checkpoint_tenant_size")]


class EntrySubject(models.Model):
    """Which entries speak of a subject, for finding what belongs into its pack."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.UUIDField()
    subject = models.TextField()
    entry = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["tenant", "subject"], name="entrysubject_tenant_subject")]


class Fact(models.Model):
    """One fact; ``entry`` and ``index`` say where its digest stands in the ledger."""

    id = models.UUIDField(primary_key=True)
    tenant = models.UUIDField()
    subject = models.TextField()
    predicate = models.TextField()
    value = models.TextField()
    unit = models.TextField()
    valid_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    source = models.TextField()
    supersedes = models.TextField()
    entry = models.BigIntegerField(db_index=True)
    index = models.IntegerField()

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "subject", "predicate", "valid_at"], name="fact_tenant_subject"),
            models.Index(fields=["tenant", "entry", "index"], name="fact_tenant_entry"),
            models.Index(fields=["tenant", "predicate", "entry", "index"], name="fact_tenant_predicate"),
        ]


class ArtifactRef(models.Model):
    """An entry's naming of an artifact."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.UUIDField()
    sha256 = models.CharField(max_length=64)
    size = models.BigIntegerField()
    name = models.TextField()
    media_type = models.TextField()
    entry = models.BigIntegerField(db_index=True)

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "sha256"], name="artifactref_tenant_sha256"),
            models.Index(fields=["tenant", "name", "id"], name="artifactref_tenant_name"),
        ]


class Erasure(models.Model):
    """An artifact that was removed on purpose; its digest stays in the ledger, its bytes are gone."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.UUIDField()
    sha256 = models.CharField(max_length=64)
    reason = models.TextField()
    entry = models.BigIntegerField()
