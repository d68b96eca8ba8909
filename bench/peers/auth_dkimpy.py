#!/usr/bin/python3
"""Signatures verified and made by dkimpy; see ../auth_loop.h for the command line."""
import pathlib
import sys
import time

import dkim

RECORDS = dict(line.split(b" ", 1) for line in pathlib.Path("records").read_bytes().splitlines())


def text_of(name, timeout=5):
    return RECORDS.get(name.rstrip(b"."))


def verify(message):
    if not dkim.verify(message, dnsfunc=text_of):
        sys.exit("not verified")


def sign(message, kind):
    """The field; Ed25519 keys are given as the bare seed in base64."""
    key = pathlib.Path("rsa.pem" if kind == "rsa" else "ed25519.seed").read_bytes()
    return lambda: dkim.sign(message, b"r" if kind == "rsa" else b"e", b"bench.example", key,
                             canonicalize=(b"relaxed", b"relaxed"), signature_algorithm=f"{kind}-sha256".encode())


def main():
    operation, path, seconds = sys.argv[1:]
    message = pathlib.Path(path).read_bytes()
    once = (lambda: verify(message)) if operation.startswith("verify") else sign(message, operation.split("-")[1])
    once()
    count, begin = 0, time.process_time()
    while (taken := time.process_time() - begin) < float(seconds):
        once()
        count += 1
    print(count, f"{taken:.6f}")


if __name__ == "__main__":
    main()
