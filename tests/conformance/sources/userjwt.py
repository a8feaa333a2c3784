"""An operator, an account and a user of NATS, each vouched for by the one before, and the user's file of credentials."""

import base64
import binascii
import hashlib
import json
import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

OPERATOR, ACCOUNT, USER = (14 << 3, 0, 20 << 3)
SEED = 18 << 3


def encoded(head, raw):
    body = head + raw
    return base64.b32encode(body + binascii.crc_hqx(body, 0).to_bytes(2, "little")).decode().rstrip("=")


class Identity:
    def __init__(self, kind):
        self.kind, self.key = kind, Ed25519PrivateKey.generate()
        self.name = encoded(bytes([kind]), self.key.public_key().public_bytes_raw())

    @property
    def seed(self):
        return encoded(bytes([SEED | self.kind >> 5, (self.kind & 31) << 3]), self.key.private_bytes_raw())

    def vouch(self, other, claims):
        body = {"iat": int(time.time()), "iss": self.name, "sub": other.name, "name": "it", "nats": {**claims, "version": 2}}
        body["jti"] = base64.b32encode(hashlib.sha256(json.dumps(body).encode()).digest()).decode().rstrip("=")
        parts = [{"typ": "JWT", "alg": "ed25519-nkey"}, body]
        text = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
        return f"{text}.{base64.urlsafe_b64encode(self.key.sign(text.encode())).decode().rstrip('=')}"


def written(path, token, seed):
    path.write_text(
        f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
        f"Keep it secret.\n\n-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )
    return path


def operated(folder):
    """Return the lines of a server's configuration, how its publisher logs in, and the file of credentials."""
    operator, system, account, user = Identity(OPERATOR), Identity(ACCOUNT), Identity(ACCOUNT), Identity(USER)
    every = {"subs": -1, "data": -1, "payload": -1}
    limits = {**every, "imports": -1, "exports": -1, "wildcards": True, "conn": -1, "leaf": -1}
    store = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
    claims = {"type": "account", "default_permissions": {"pub": {}, "sub": {}}}
    token = account.vouch(user, {"type": "user", "pub": {}, "sub": {}, **every})
    lines = (
        f"operator: {operator.vouch(operator, {'type': 'operator'})}",
        "resolver: MEMORY",
        f"system_account: {system.name}",
        "resolver_preload: {",
        f"  {account.name}: {operator.vouch(account, {**claims, 'limits': {**limits, **store}})}",
        f"  {system.name}: {operator.vouch(system, {**claims, 'limits': limits})}",
        "}",
    )
    sign = {"user_jwt_cb": token.encode, "signature_cb": lambda nonce: base64.b64encode(user.key.sign(nonce.encode()))}
    return lines, sign, written(folder / "user.creds", token, user.seed)
