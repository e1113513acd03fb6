#!/usr/bin/env python3
"""Writes tokens.txt: waitpoint tokens by an implementation of the format that shares nothing with ours but its
description in ff/core/token.hpp. Run it only to add vectors; those that exist never change."""
import base64
import hashlib
import hmac
import random
import struct

rng = random.Random(20251126)
NOW = 1764137000000
ULID = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def b64(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def mac(key, text):
    return hmac.new(key, text, hashlib.sha256).digest()


def text(value):
    raw = value.encode()
    return bytes([len(raw)]) + raw


def names_of(names):
    return bytes([len(names)]) + b"".join(text(n) for n in sorted(names))


def first_key(ring_key, ns):
    extracted = mac(bytes(32), ring_key)
    return mac(extracted, b"ff waitpoint token 1/" + ns.encode() + b"\x01")


def mint(ring_key, kid, c):
    flags = (2 if c["names"] else 0) | (4 if c["source"] else 0)
    flags |= (8 if c["digest"] else 0) | (16 if c["reusable"] else 0)
    raw = bytes([flags]) + text(c["execution"]) + text(c["waitpoint"]) + text(c["ns"])
    raw += struct.pack(">QQ", c["not_before"], c["expires_at"]) + c["nonce"]
    if c["names"]:
        raw += names_of(c["names"])
    if c["source"]:
        raw += text(c["source"])
    if c["digest"]:
        raw += c["digest"]
    covered = "ffw1.%s.%s" % (kid, b64(raw))
    return covered + "." + b64(mac(first_key(ring_key, c["ns"]), covered.encode()))


def narrow(token, c, expires_at=None, names=None, digest=None):
    covered, old = token.rsplit(".", 1)
    key = base64.urlsafe_b64decode(old + "=")
    flags = (1 if expires_at is not None else 0) | (2 if names else 0) | (8 if digest else 0)
    raw = bytes([flags])
    if expires_at is not None:
        raw += struct.pack(">Q", expires_at)
        c["expires_at"] = expires_at
    if names:
        raw += names_of(names)
        c["names"] = sorted(names)
    if digest:
        raw += digest
        c["digest"] = digest
    covered += "." + b64(raw)
    return covered + "." + b64(mac(key, covered.encode()))


def line(fault, ring_key, c, token):
    shown = [fault, str(NOW), ring_key.hex(), c["execution"], c["waitpoint"], c["ns"]]
    shown += [str(c["not_before"]), str(c["expires_at"])]
    shown += [",".join(c["names"]) or "-", c["source"] or "-", c["digest"].hex() if c["digest"] else "-"]
    return " ".join(shown + ["1" if c["reusable"] else "0", c["nonce"].hex(), token])


def draw():
    ulid = rng.choice(ULID[:8]) + "".join(rng.choice(ULID) for _ in range(25))
    names = sorted(rng.sample(["approve", "reject", "comment", "payment.done", "größe"], rng.choice([0, 0, 1, 2, 5])))
    return {
        "execution": "%d-%s" % (rng.choice([0, 7, 63, 1023]), ulid),
        "waitpoint": rng.choice(["1.w", "2.deploy", "999.approval:2", "1." + "x" * 64]),
        "ns": rng.choice(["default", "acme", "a.b-c_d"]),
        "not_before": rng.choice([0, 0, NOW - 1, NOW]),
        "expires_at": rng.choice([NOW + 1, NOW + 86400000, 99999999999999]),
        "names": names,
        "source": rng.choice(["", "alice", "bob@example.org"]),
        "digest": rng.choice([None, hashlib.sha256(b"{}").digest()]),
        "reusable": rng.random() < 0.3,
        "nonce": rng.randbytes(8),
    }


def main():
    out = ["# fault now ring-key execution waitpoint namespace not-before expires-at names source digest "
           "reusable nonce token", "# Made by make_tokens.py. Claims are those after narrowing; - is none."]
    for _ in range(34):
        c, ring_key = draw(), rng.randbytes(32)
        out.append(line("none", ring_key, c, mint(ring_key, "kid00001", c)))
    for _ in range(12):
        c, ring_key = draw(), rng.randbytes(32)
        token = mint(ring_key, "kid00001", c)
        for _ in range(rng.choice([1, 2, 8])):
            names = rng.sample(c["names"], 1) if c["names"] and rng.random() < 0.4 else None
            token = narrow(token, c, rng.choice([None, c["expires_at"]]) if names else c["expires_at"], names,
                           c["digest"] if rng.random() < 0.3 else None)
        out.append(line("none", ring_key, c, token))
    for fault in ["expired", "not_yet"] * 3:
        c, ring_key = draw(), rng.randbytes(32)
        if fault == "expired":
            c["not_before"], c["expires_at"] = 0, NOW
        else:
            c["not_before"], c["expires_at"] = NOW + 1, NOW + 2
        out.append(line(fault, ring_key, c, mint(ring_key, "kid00001", c)))
    with open("tokens.txt", "w", encoding="utf-8") as f:
        f.write("\n".join(out) + "\n")


main()
