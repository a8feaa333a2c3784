"""The kernel's actions as policy sees them, for the tests of this folder."""

from trueup.kernel.policy.engine.model import ActionSpec, Risk


def spec(name: str, risk: str, kind: str, *tags: str) -> ActionSpec:
    return ActionSpec(name=name, risk=Risk(risk), kind=kind, room=name.partition(".")[0], tags=frozenset(tags))


ACTIONS = (
    spec("system.init", "R1", "write", "administer"),
    spec("policy.load", "R1", "write", "administer"),
    spec("evidence.pack.create", "R1", "write", "operate", "audit"),
    spec("evidence.checkpoint.publish", "R1", "write", "operate", "audit"),
    spec("evidence.log.export", "R1", "read", "audit"),
    spec("evidence.key.rotate", "R2", "write", "administer"),
    spec("evidence.key.backup", "R2", "write", "administer"),
    spec("evidence.key.trust", "R1", "write", "administer"),
    spec("evidence.artifact.erase", "R3", "write", "destroy"),
    spec("evidence.artifact.collect", "R1", "write", "administer"),
    spec("evidence.fact.read", "R1", "read", "read"),
    spec("evidence.log.read", "R1", "read", "read"),
    spec("secrets.secret.put", "R1", "write", "administer"),
    spec("secrets.secret.delete", "R2", "write", "administer"),
    spec("secrets.secret.list", "R1", "read", "administer", "audit"),
    spec("telemetry.comparison.create", "R1", "write", "operate", "analyse"),
    spec("telemetry.host.sample", "R1", "write", "operate"),
    spec("gates.gate.decide", "R1", "write", "operate", "approve"),
)
