"""Computes the golden vectors in vectors.json from the specification, with no
code of the Go packages: python3 vectors.py > vectors.json

It needs nothing but Python 3's standard library; Ed25519 follows RFC 8032
section 6.
"""
import hashlib
import json
import struct
import uuid


# Ed25519 (RFC 8032).
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
Y = 4 * pow(5, P - 2, P) % P


def recover_x(y):
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P)
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    return x if x % 2 == 0 else P - x


def add(a, b):
    (x1, y1, z1, t1), (x2, y2, z2, t2) = a, b
    A, B = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    C, E = 2 * t1 * t2 * D % P, 2 * z1 * z2 % P
    e, f, g, h = B - A, E - C, E + C, B + A
    return e * f, g * h, f * g, e * h


def multiply(s, point):
    result = (0, 1, 1, 0)
    while s:
        if s & 1:
            result = add(result, point)
        point, s = add(point, point), s >> 1
    return result


def compress(point):
    x, y, z, _ = point
    inv = pow(z, P - 2, P)
    x, y = x * inv % P, y * inv % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


X = recover_x(Y)
G = (X, Y, 1, X * Y % P)


def expand(seed):
    h = hashlib.sha512(seed).digest()
    a = int.from_bytes(h[:32], "little") & (1 << 254) - 8 | 1 << 254
    return a, h[32:]


def public_key(seed):
    return compress(multiply(expand(seed)[0], G))


def sign(seed, message):
    a, prefix = expand(seed)
    r = int.from_bytes(hashlib.sha512(prefix + message).digest(), "little") % L
    R = compress(multiply(r, G))
    k = int.from_bytes(hashlib.sha512(R + public_key(seed) + message).digest(), "little")
    return R + ((r + k * a) % L).to_bytes(32, "little")


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
    if isinstance(v, uuid.UUID):
        v = v.bytes
    if isinstance(v, bytes):
        return head(2, len(v)) + v
    if isinstance(v, str):
        return head(3, len(v.encode())) + v.encode()
    if isinstance(v, list):
        return head(4, len(v)) + b"".join(map(cbor, v))
    pairs = sorted((cbor(k), cbor(x)) for k, x in v.items())
    return head(5, len(pairs)) + b"".join(k + x for k, x in pairs)


def sha256(b):
    return hashlib.sha256(b).digest()


def merkle(leaves):
    """RFC 6962 section 2.1."""
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0])
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return sha256(b"\1" + merkle(leaves[:k]) + merkle(leaves[k:]))


def legacy(tx, prev):
    d = {"id": str(tx["id"]), "sender": str(tx["sender"]), "receiver": str(tx["receiver"]),
         "amount": tx["amount"], "t": tx["t"], "prev_hash": prev}
    return hashlib.sha1(str(d).encode()).hexdigest()


def account(key):
    b = bytearray(sha256(key)[:16])
    b[6], b[8] = b[6] & 0x0F | 0x80, b[8] & 0x3F | 0x80
    return uuid.UUID(bytes=bytes(b))


NETWORK = sha256(cbor({"name": "foxchain"}))
ISSUER = uuid.UUID(int=0)


def open_tx(n, amount, t, sender=ISSUER, receiver=None):
    return {"id": uuid.UUID(int=n), "sender": sender, "receiver": receiver or uuid.UUID(int=n), "amount": amount, "t": t}


def fields(tx):
    return [tx["id"], tx["sender"], tx["receiver"], tx["amount"], tx["t"]]


def keyed_tx(seed, n, amount, t):
    key = public_key(seed)
    tx = open_tx(n, amount, t, sender=account(key))
    signed = b"foxchain tx 1" + NETWORK + cbor(fields(tx))
    return tx | {"seed": seed.hex(), "public_key": key, "signature": sign(seed, signed)}


def encode_tx(tx):
    return cbor(fields(tx) + ([tx["public_key"], tx["signature"]] if "seed" in tx else []))


def show_tx(tx, prev):
    out = {k: str(tx[k]) for k in ("id", "sender", "receiver")}
    out |= {"amount": tx["amount"], "t": tx["t"], "prev_hash": prev}
    if "seed" in tx:
        out |= {"public_key": tx["public_key"].hex(), "signature": tx["signature"].hex()}
    return out


def compact(v):
    return json.dumps(v, separators=(",", ":"))


def tx_vector(name, tx):
    enc = encode_tx(tx)
    return {"name": name, "json": compact(show_tx(tx, None)), "seed": tx.get("seed", ""), "cbor": enc.hex(),
            "digest": sha256(enc).hex(), "legacy_hash": legacy(tx, None)}


def network_vector(text, rules):
    return {"file": text, "cbor": cbor(rules).hex(), "id": sha256(cbor(rules)).hex()}


def block_vector(seed, txs, height, parent, bits, time):
    digests = [sha256(encode_tx(tx)) for tx in txs]
    root, key, nonce = merkle(digests), public_key(seed), 0
    while True:
        header = cbor([1, height, parent, root, len(txs), time, bits, key, struct.pack(">Q", nonce)])
        hash = sha256(header)
        if int.from_bytes(hash, "big") >> 256 - bits == 0:
            break
        nonce += 1
    signature = sign(seed, b"foxchain block 1" + NETWORK + hash)
    prev, items, links = None, [], []
    for tx in txs:
        items.append(show_tx(tx, prev))
        prev = legacy(tx, prev)
        links.append(prev)
    shown = {"items": items, "prev_hash": parent.hex() if height else None, "hash": hash.hex(), "version": 1,
             "height": height, "time": time, "bits": bits, "nonce": struct.pack(">Q", nonce).hex(),
             "builder": key.hex(), "root": root.hex(), "signature": signature.hex()}
    return {"seed": seed.hex(), "header_cbor": header.hex(), "hash": hash.hex(), "json": compact(shown),
            "sealed_cbor": (b"\x82" + header + cbor(signature)).hex(), "links": links,
            "body_cbor": (head(4, len(txs)) + b"".join(map(encode_tx, txs))).hex()}


def credit_vector(file, transfers):
    """Each transfer alone: what its accounts hold after it, or that it is refused."""
    rules, balances, steps = json.loads(file), {}, []
    issuers = rules.get("issuers", [str(ISSUER)])
    for sender, receiver, amount in transfers:
        after = dict(balances)
        ok = True
        if sender not in issuers:
            after[sender] = after.get(sender, 0) - amount
            ok = after[sender] >= -rules.get("credit", {}).get(sender, rules.get("credit_default", 0))
        if receiver not in issuers:
            after[receiver] = after.get(receiver, 0) + amount
            ok = ok and after[receiver] <= 2**53 - 1
        if ok:
            balances = after
        steps.append({"sender": sender, "receiver": receiver, "amount": amount, "valid": ok,
                      "holds": [balances.get(sender, 0), balances.get(receiver, 0)]})
    return {"file": file, "transfers": steps}


def main():
    most = 2**53 - 1
    a, b, c = (str(uuid.UUID(int=n)) for n in (1, 2, 3))
    credit = [
        credit_vector(compact({"name": "credit", "credit": {a: 5}}), [
            (a, b, 6), (a, b, 5), (a, b, 1), (b, a, 3), (a, b, 3), (b, c, 6), (b, c, 5), (a, a, 1), (c, a, 5), (a, a, 5), (a, a, 6)]),
        credit_vector(compact({"name": "credit", "credit": {b: 0, c: most}, "credit_default": 9}), [
            (a, b, 9), (a, b, 1), (b, a, 10), (b, a, 9), (c, a, most), (c, a, 1), (c, b, 1), (a, c, most), (a, b, 9), (str(ISSUER), a, most)]),
    ]
    seed, other = bytes(range(32)), bytes(range(32, 64))
    keyed = keyed_tx(seed, 9, 2**53 - 1, 1620811762.848223)
    txs = {
        "t 0": open_tx(1, 1, 0.0),
        "t 1": open_tx(2, 23, 1.0),
        "t 0.5": open_tx(3, 24, 0.5),
        "t 1620811776": open_tx(4, 255, 1620811776.0),
        "published 1": open_tx(3, 1000, 1620811762.848223),
        "published 2": open_tx(3, 1000, 1620813710.01229),
        "smallest exponent form": open_tx(5, 256, 1.5e-07),
        "largest t": open_tx(6, 65536, 99999999999.99998),
        "keyed": keyed,
    }
    body = [txs["t 0"], txs["t 1"], txs["t 0.5"], txs["t 1620811776"], keyed]
    first = block_vector(other, body[:4], 0, NETWORK, 16, 1620811776000)
    second = block_vector(other, body[4:], 1, bytes.fromhex(first["hash"]), 16, 1620811777000)
    digests = [sha256(encode_tx(open_tx(n, n, 0.0))) for n in range(1, 18)]
    floats = [0.0, 0.5, 1.0, 0.1, 1e-4, 9.999999999999999e-05, 1e-05, 1.5e-07, 5e-324, 2.2250738585072014e-308, 3.0,
              1620811776.0, 1620811762.848223, 1620813710.01229, 99999999999.0, 99999999999.99998, 123456789.125,
              1e15, 9999999999999998.0, 1e16, 1.2345e22, 1.7976931348623157e308]
    two = sorted([ISSUER, account(public_key(seed))])
    print(json.dumps({
        "network": NETWORK.hex(),
        "transactions": [tx_vector(name, tx) for name, tx in txs.items()],
        "networks": [
            network_vector('{"name":"foxchain"}', {"name": "foxchain"}),
            network_vector('{"name":"class-3b","bits":16,"builders":[],"keyed_only":false}', {"name": "class-3b"}),
            network_vector('{"name":"b\\u00fcro","bits":0}', {"name": "b\u00fcro", "bits": 0}),
            network_vector(compact({"keyed_only": True, "builders": [public_key(other).hex(), public_key(seed).hex().upper()],
                                    "issuers": [str(two[1]), str(two[0])], "bits": 40, "name": "bank"}),
                           {"name": "bank", "bits": 40, "issuers": two,
                            "builders": sorted([public_key(seed), public_key(other)]), "keyed_only": True}),
            network_vector(compact({"name": "guild", "credit": {str(two[1]).upper(): 500, a: 7, c: 2**53 - 1}, "credit_default": 7,
                                    "issuers": [b], "builders": [public_key(seed).hex()], "max_unfinal": 100}),
                           {"name": "guild", "credit": {two[1]: 500, uuid.UUID(c): 2**53 - 1}, "credit_default": 7,
                            "issuers": [uuid.UUID(b)], "builders": [public_key(seed)], "max_unfinal": 100}),
            network_vector(compact({"name": "guild", "credit": {}, "credit_default": 0, "max_unfinal": 0}), {"name": "guild"}),
            network_vector('{"name":"office","no_self_pay":true}', {"name": "office", "no_self_pay": True}),
            network_vector('{"name":"office","no_self_pay":false}', {"name": "office"}),
        ],
        "credit": credit,
        "accounts": [{"public_key": public_key(s).hex(), "account": str(account(public_key(s)))} for s in (seed, other)],
        "blocks": [first, second],
        "roots": [merkle(digests[:n]).hex() for n in range(1, 18)],
        "floats": [{"bits": struct.pack(">d", f).hex(), "repr": repr(f)} for f in floats],
    }, indent=1))


main()
