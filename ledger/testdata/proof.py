"""Checks proofs of payments and of builders that lied, from the formats in ledger/README.md
and in the doc of ledger/proof, with no code of the Go packages:

    python3 proof.py FILE...    says of each whether it is right; ends with 1 when one is not
    python3 proof.py -          the same of each line of standard input

It needs nothing but Python 3's standard library; Ed25519 follows RFC 8032 section 5.1.
"""
import functools
import hashlib
import json
import math
import re
import struct
import sys
import unicodedata
import uuid

MOST = 2**53 - 1
MAX_SIZE, MAX_LIST, MAX_BITS = 8 << 20, 4096, 40


class Wrong(Exception):
    pass


def need(ok, what):
    if not ok:
        raise Wrong(what)


def sha256(b):
    return hashlib.sha256(b).digest()


# Ed25519 (RFC 8032 section 5.1.7, without the cofactor).
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(a, b):
    (x1, y1, z1, t1), (x2, y2, z2, t2) = a, b
    A, B = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    C, E = 2 * t1 * t2 * D % P, 2 * z1 * z2 % P
    e, f, g, h = B - A, E - C, E + C, B + A
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(s, point):
    result = (0, 1, 1, 0)
    while s:
        if s & 1:
            result = add(result, point)
        point, s = add(point, point), s >> 1
    return result


def decompress(b):
    y = int.from_bytes(b, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - x2) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def compress(point):
    x, y, z, _ = point
    inv = pow(z, P - 2, P)
    x, y = x * inv % P, y * inv % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


BASE = decompress((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


@functools.cache
def signed_by(key, message, signature):
    A, R, s = decompress(key), signature[:32], int.from_bytes(signature[32:], "little")
    if A is None or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(R + key + message).digest(), "little") % L
    x, y, z, t = multiply(k, A)
    return compress(add(multiply(s, BASE), (P - x, y, z, P - t))) == R


# CBOR (RFC 8949), core deterministic, floats of nine bytes.
def head(major, n):
    for info, size, form in ((24, 1, ">B"), (25, 2, ">H"), (26, 4, ">I"), (27, 8, ">Q")):
        if n < 24:
            return bytes([major << 5 | n])
        if n < 1 << 8 * size:
            return bytes([major << 5 | info]) + struct.pack(form, n)


def cbor(v):
    if isinstance(v, bool):
        return b"\xf5" if v else b"\xf4"
    if isinstance(v, int):
        return head(0, v)
    if isinstance(v, float):
        return b"\xfb" + struct.pack(">d", v)
    if isinstance(v, bytes):
        return head(2, len(v)) + v
    if isinstance(v, str):
        return head(3, len(v.encode())) + v.encode()
    if isinstance(v, list):
        return head(4, len(v)) + b"".join(map(cbor, v))
    pairs = sorted((cbor(k), cbor(x)) for k, x in v.items())
    return head(5, len(pairs)) + b"".join(k + x for k, x in pairs)


# The values of JSON, each in its one form.
def pairs(items):
    need(len({k for k, _ in items}) == len(items), "a key is given twice")
    return dict(items)


def integer(v):
    need(type(v) is int and 0 <= v <= MOST, "must be an integer from 0 to 2^53-1")
    return v


def digits(n):
    def read(v):
        need(type(v) is str and re.fullmatch("[0-9a-f]{%d}" % (2 * n), v), "must be %d hex digits" % (2 * n))
        return bytes.fromhex(v)
    return read


def account(v):
    need(type(v) is str and re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", v), "must be a UUID")
    return uuid.UUID(v).bytes


def seconds(v):
    need(type(v) in (int, float) and 0 <= v < 1e11 and math.copysign(1, v) > 0, "must be 0 <= t < 10^11")
    return float(v)


def truth(v):
    need(type(v) is bool, "must be true or false")
    return v


def text(v):
    need(type(v) is str, "must be text")
    return v


def listed(read):
    def all_of(v):
        need(type(v) is list, "must be a list")
        return [within("[%d]" % i, read, x) for i, x in enumerate(v)]
    return all_of


def credit(v):
    need(type(v) is dict, "must be an object")
    return {account(k): integer(x) for k, x in v.items()}


def maybe(read):
    return lambda v: None if v is None else read(v)


def within(place, read, v):
    try:
        return read(v)
    except Wrong as e:
        raise Wrong(place + ("" if str(e).startswith("[") else ": " if ":" not in str(e) and "must" in str(e)[:5] else ".") + str(e))


def obj(must, may={}):
    def read(v):
        need(type(v) is dict, "must be an object")
        for k in must:
            need(k in v, k + ": must be given")
        for k in v:
            need(k in must or k in may, k + ": is no key here")
        return {k: within(k, must.get(k) or may[k], x) for k, x in v.items()}
    return read


KEY, HASH, SIGNATURE = digits(32), digits(32), digits(64)
NETWORK = obj({"name": text}, {"bits": integer, "issuers": listed(account), "builders": listed(KEY), "keyed_only": truth,
                               "no_self_pay": truth, "credit": credit, "credit_default": integer, "max_unfinal": integer})
TRANSACTION = obj({"id": account, "sender": account, "receiver": account, "amount": integer, "t": seconds},
                  {"public_key": KEY, "signature": SIGNATURE})
HEADER = obj({"count": integer, "prev_hash": maybe(HASH), "hash": HASH, "version": integer, "height": integer, "time": integer,
              "bits": integer, "nonce": digits(8), "builder": KEY, "root": HASH, "signature": SIGNATURE})
CERTIFICATE = obj({"kind": text, "view": integer, "parent": integer, "height": integer, "hash": HASH,
                   "signers": listed(KEY), "signatures": listed(SIGNATURE)})
PROOF = obj({"version": integer, "network": NETWORK, "network_id": HASH, "transaction": TRANSACTION, "index": integer,
             "path": listed(HASH), "headers": listed(HEADER)},
            {"certificate": CERTIFICATE, "tip": obj({"height": integer, "hash": HASH})})
VOTE = obj({"kind": text, "view": integer, "parent": integer, "height": integer, "hash": HASH, "signed": text, "signature": SIGNATURE})
EVIDENCE = obj({"builder": KEY, "name": text, "kind": text, "view": integer, "votes": listed(VOTE)})
DEFAULTS = {"bits": 16, "issuers": [bytes(16)], "builders": [], "keyed_only": False, "no_self_pay": False, "credit": {},
            "credit_default": 0, "max_unfinal": 0}
KINDS = ["notarize", "nullify", "finalize"]


def check_network(p):
    n = p["network"]
    name, full = n["name"], DEFAULTS | n
    for k in n:
        need(n[k] != DEFAULTS.get(k), "network.%s: must be left out at its default" % k)
    need(1 <= len(name.encode()) <= 64, "network.name: must be 1 to 64 bytes")
    need(all(c == " " or unicodedata.category(c)[0] in "LMNPS" for c in name), "network.name: must be printable")
    need(name == name.strip() == unicodedata.normalize("NFC", name), "network.name: must be NFC without spaces around it")
    need(full["bits"] <= MAX_BITS, "network.bits: must be at most %d" % MAX_BITS)
    need(full["issuers"], "network.issuers: must not be empty")
    for k in ("issuers", "builders", "credit"):
        need(len(full[k]) <= MAX_LIST, "network.%s: must have at most %d entries" % (k, MAX_LIST))
    for k in ("issuers", "builders"):
        need(full[k] == sorted(set(full[k])), "network.%s: must be in ascending order, none twice" % k)
    for a, floor in full["credit"].items():
        need(floor != full["credit_default"] and a not in full["issuers"], "network.credit: must not have an issuer, nor the default")
    need(not full["max_unfinal"] or 1 <= len(full["builders"]) <= 100, "network.max_unfinal: needs 1 to 100 builders")
    need(sha256(cbor(n)) == p["network_id"], "network_id: must be the hash of the rules")
    return full


def keyed(a):
    return a[6] >> 4 == 8 and a[8] >> 6 == 2


def check_transaction(tx, net, network_id):
    need(1 <= tx["amount"], "transaction.amount: must be 1 or more")
    need(("public_key" in tx) == ("signature" in tx) == keyed(tx["sender"]), "transaction.signature: keyed senders sign, others do not")
    need(not net["no_self_pay"] or tx["sender"] != tx["receiver"], "transaction.receiver: must not be the sender")
    need(tx["sender"] not in net["issuers"] or tx["receiver"] not in net["issuers"], "transaction.receiver: must not be an issuer when the sender is one")
    fields = [tx[k] for k in ("id", "sender", "receiver", "amount", "t")]
    if not keyed(tx["sender"]):
        need(not net["keyed_only"] or tx["sender"] in net["issuers"], "transaction.sender: must be keyed")
        return sha256(cbor(fields))
    made = bytearray(sha256(tx["public_key"])[:16])
    made[6], made[8] = made[6] & 0x0F | 0x80, made[8] & 0x3F | 0x80
    need(bytes(made) == tx["sender"], "transaction.public_key: must be that of the sender")
    need(signed_by(tx["public_key"], b"foxchain tx 1" + network_id + cbor(fields), tx["signature"]), "transaction.signature: must be the sender's")
    return sha256(cbor(fields + [tx["public_key"], tx["signature"]]))


def check_headers(headers, net, network_id):
    need(1 <= len(headers) <= 4096, "headers: must be 1 to 4096")
    for i, h in enumerate(headers):
        def field(ok, name, rule):
            need(ok, "headers[%d].%s: %s" % (i, name, rule))
        below = headers[i - 1] if i else None
        field(h["version"] == 1, "version", "must be 1")
        field((h["prev_hash"] is None) == (h["height"] == 0), "prev_hash", "must be null at height 0, and only there")
        if below:
            field(h["height"] == below["height"] + 1, "height", "must be one more than below")
            field(h["prev_hash"] == below["hash"], "prev_hash", "must be the hash below")
        field(1 <= h["count"] <= 10000, "count", "must be 1 to 10000")
        field(h["bits"] == net["bits"], "bits", "must be the network's")
        field(not net["builders"] or h["builder"] in net["builders"], "builder", "must be one of the network's")
        fields = [h["version"], h["height"], h["prev_hash"] or network_id] + [h[k] for k in ("root", "count", "time", "bits", "builder", "nonce")]
        field(sha256(cbor(fields)) == h["hash"], "hash", "must be that of the header")
        field(int.from_bytes(h["hash"], "big") >> 256 - net["bits"] == 0, "hash", "must begin with the network's zero bits")
        field(signed_by(h["builder"], b"foxchain block 1" + network_id + h["hash"], h["signature"]), "signature", "must be the builder's")


def root_from(leaf, i, n, path):
    """RFC 6962 section 2.1.1, from the leaf's sibling up."""
    if n == 1:
        need(not path, "path: is too long")
        return sha256(b"\0" + leaf)
    need(path, "path: is too short")
    k = 1 << (n - 1).bit_length() - 1
    if i < k:
        return sha256(b"\1" + root_from(leaf, i, k, path[:-1]) + path[-1])
    return sha256(b"\1" + path[-1] + root_from(leaf, i - k, n - k, path[:-1]))


def check_certificate(c, net, network_id, last):
    builders, at = net["builders"], -1
    need(1 <= len(builders) <= 100, "certificate: nobody votes on this network")
    need(c["kind"] == "finalize", "certificate.kind: must be finalize")
    need(1 <= c["view"] and c["parent"] < c["view"], "certificate.parent: must be below view")
    need(c["height"] == last["height"], "certificate.height: must be that of the last header")
    need(c["hash"] == last["hash"], "certificate.hash: must be that of the last header")
    need(len(c["signers"]) >= len(builders) - (len(builders) - 1) // 3, "certificate.signers: are too few")
    need(len(c["signatures"]) == len(c["signers"]), "certificate.signatures: must be one of each signer")
    signed = b"foxchain vote 1" + network_id + cbor([2, c["view"], c["parent"], c["height"], c["hash"]])
    for i, key in enumerate(c["signers"]):
        need(key in builders and builders.index(key) > at, "certificate.signers[%d]: must be builders in order" % i)
        at = builders.index(key)
        need(signed_by(key, signed, c["signatures"][i]), "certificate.signatures[%d]: must be that of the signer" % i)


def check_proof(p):
    need(p["version"] == 1, "version: must be 1")
    net = check_network(p)
    leaf = check_transaction(p["transaction"], net, p["network_id"])
    check_headers(p["headers"], net, p["network_id"])
    first, last = p["headers"][0], p["headers"][-1]
    need(p["index"] < first["count"], "index: must be below count")
    need(root_from(leaf, p["index"], first["count"], p["path"]) == first["root"], "path: must lead to the root")
    need(("certificate" in p) != ("tip" in p), "certificate: must be given, or tip")
    if "certificate" in p:
        check_certificate(p["certificate"], net, p["network_id"], last)
        return "final"
    need(p["tip"] == {"height": last["height"], "hash": last["hash"]}, "tip: must be the last header")
    return "in a block"


def check_evidence(e):
    need(len(e["votes"]) == 2, "votes: must be two")
    statements, networks = [], set()
    for i, v in enumerate(e["votes"]):
        def field(ok, name, rule):
            need(ok, "votes[%d].%s: %s" % (i, name, rule))
        field(v["kind"] in KINDS, "kind", "must be one of " + ", ".join(KINDS))
        field(v["view"] == e["view"] and v["view"] > 0, "view", "must be that of the evidence")
        if v["kind"] == "nullify":
            field(not any(v["hash"]) and v["height"] == v["parent"] == 0, "hash", "must be zero in a nullify, as height and parent")
        else:
            field(any(v["hash"]), "hash", "must be that of a block")
            field(v["parent"] < v["view"], "parent", "must be below view")
        statement = [KINDS.index(v["kind"]), v["view"], v["parent"], v["height"], v["hash"]]
        field(re.fullmatch("[0-9a-f]{94,}", v["signed"]) and len(v["signed"]) % 2 == 0, "signed", "must be hex digits")
        signed = bytes.fromhex(v["signed"])
        field(signed == b"foxchain vote 1" + signed[15:47] + cbor(statement), "signed", "must be what such a vote signs")
        field(signed_by(e["builder"], signed, v["signature"]), "signature", "must be that of the builder")
        statements.append(statement)
        networks.add(signed[15:47])
    need(len(networks) == 1, "votes: must be of one network")
    kinds = {v["kind"] for v in e["votes"]}
    need(statements[0] != statements[1], "votes: must differ")
    need(len(kinds) == 1 or kinds == {"nullify", "finalize"}, "votes: an honest builder may sign both")
    need(e["kind"] == (kinds.pop() if len(kinds) == 1 else "nullify and finalize"), "kind: must be that of the votes")


def check(file):
    need(len(file) <= MAX_SIZE, "must have at most %d bytes" % MAX_SIZE)
    try:
        v = json.loads(file, object_pairs_hook=pairs)
    except ValueError as e:
        raise Wrong("is not JSON: %s" % e)
    need(type(v) is dict, "must be an object")
    if "evidence" in v:
        found = obj({"evidence": listed(EVIDENCE)})(v)["evidence"]
        need(found, "evidence: must not be empty")
        need(all(e not in found[:i] for i, e in enumerate(found)), "evidence: one is given twice")
    elif "votes" in v:
        found = [EVIDENCE(v)]
    else:
        return check_proof(PROOF(v))
    for i, e in enumerate(found):
        try:
            check_evidence(e)
        except Wrong as w:
            raise Wrong("evidence[%d].%s" % (i, w))
    return "a builder lied"


def main(names):
    texts = sys.stdin.buffer if names == ["-"] else (open(n, "rb").read() for n in names)
    wrong = False
    for text in texts:
        try:
            print("right:", check(text))
        except (Wrong, ValueError, RecursionError) as e:
            wrong = True
            print("wrong:", ascii(str(e))[1:-1])  # it may have what the file has
    return 1 if wrong or not names else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
