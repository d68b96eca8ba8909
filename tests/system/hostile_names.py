"""A name server that does not behave, on a loopback port, by UDP and TCP."""
import contextlib
import socket
import struct
import threading

TRUNCATED, ANSWER = 0x0200, 0x8180
SERVFAIL, REFUSED = 2, 5


class BadNames:
    """how: "servfail", "refused", "silent", "garbage", "other-question", "endless-alias"; "truncated": all of it by TCP, where the
    record says "v=spf1 -all"; "truncated-silent": and there nothing comes."""

    def __init__(self, how):
        self.how = how
        while True:
            self.tcp = socket.create_server(("127.0.0.1", 0))
            self.port = self.tcp.getsockname()[1]
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with contextlib.suppress(OSError):
                self.udp.bind(("127.0.0.1", self.port))
                break
        self.kept = []
        self.threads = [threading.Thread(target=run, daemon=True) for run in (self.serve_udp, self.serve_tcp)]
        for thread in self.threads:
            thread.start()

    @staticmethod
    def question(query):
        end = query.index(b"\0", 12) + 5
        return query[12:end]

    def answer(self, query, flags=ANSWER, records=()):
        question = self.question(query)
        return query[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0) + question + b"".join(records)

    def by_udp(self, query):
        if self.how == "servfail":
            return self.answer(query, ANSWER | SERVFAIL)
        if self.how == "refused":
            return self.answer(query, ANSWER | REFUSED)
        if self.how == "garbage":
            return query[:2] + b"\xff" * 300
        if self.how == "other-question":
            return query[:12] + b"\5other\7example\0" + query[-15:]
        if self.how == "endless-alias":  # each name is another one's
            alias = b"\1x" + self.question(query)[:-4]
            alias = alias if len(alias) < 200 else b"\1y\7example\0"
            return self.answer(query, records=[b"\xc0\x0c" + struct.pack(">HHIH", 5, 1, 1, len(alias)) + alias])
        if self.how.startswith("truncated"):
            return self.answer(query, ANSWER | TRUNCATED)
        return None

    def serve_udp(self):
        with contextlib.suppress(OSError):
            while True:
                query, peer = self.udp.recvfrom(4096)
                reply = self.by_udp(query) if peer else None
                if not peer:
                    return
                if reply:
                    self.udp.sendto(reply, peer)

    def by_tcp(self, query):
        name, kind = self.question(query)[:-4], self.question(query)[-4:-2]
        texts = {b"\6sender": b"v=spf1 -all", b"\6_dmarc": b"v=DMARC1; p=reject"}
        text = next((t for start, t in texts.items() if name.startswith(start)), None)
        if kind != b"\0\x10" or not text:
            return self.answer(query)
        return self.answer(query, records=[b"\xc0\x0c" + struct.pack(">HHIH", 16, 1, 60, len(text) + 1) + bytes([len(text)]) + text])

    def serve_tcp(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.tcp.accept()
                self.kept.append(connection)
                threading.Thread(target=self.serve_connection, args=(connection,), daemon=True).start()

    def serve_connection(self, connection):
        with contextlib.suppress(OSError, struct.error):
            while self.how != "truncated-silent":
                size = struct.unpack(">H", connection.recv(2, socket.MSG_WAITALL))[0]
                query = connection.recv(size, socket.MSG_WAITALL)
                reply = self.by_tcp(query) if self.how == "truncated" else self.by_udp(query)
                if reply:
                    connection.sendall(struct.pack(">H", len(reply)) + reply)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for s in self.udp, self.tcp, *self.kept:
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()
