#!/usr/bin/env python3
"""pyas2-lib as a sender and a receiver of folders, for make bench-peers: the least that makes two servers of the library.

    pyas2_pair.py receive WORKERS KEY CERT THEIR_CERT ADDRESS INBOX
    pyas2_pair.py send    WORKERS KEY CERT THEIR_CERT URL OUTBOX SENT

Both run WORKERS processes, so that they use all cores, and end with SIGTERM.

The receiver shares one listening socket among its processes. Each serves one connection at a time, for as long as the
client keeps it, and so there should be as many as there are senders. A message is opened and verified, the payload is
written into INBOX under the name that the message gives, and the signed receipt is the answer. Nothing is synced,
nothing is recorded, and no Message-ID is remembered.

The sender looks at OUTBOX every 10 ms. Its processes take the files in turn, each over one connection that it keeps: the
document is signed (sha256) and encrypted (AES-256-CBC), and posted; the receipt is verified and must be signed, say
exactly "processed", and repeat our MIC. Then the file is renamed into SENT. Whatever goes wrong ends the program.
"""

import base64
import http.client
import http.server
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "judges"))
from pyas2_peer import CONTENT_TYPE, Peer, pyas2lib, read, returned_mic  # noqa: E402

SENDER, RECEIVER = "SENDER", "TAKER"


def identities(us, them, key, certificate, their_certificate):
    pem, theirs = read(key) + b"\n" + read(certificate), read(their_certificate)
    return (
        pyas2lib.Organization(as2_name=us, sign_key=pem, decrypt_key=pem, domain="pyas2.example"),
        pyas2lib.Partner(
            as2_name=them,
            verify_cert=theirs,
            encrypt_cert=theirs,
            sign=True,
            digest_alg="sha256",
            encrypt=True,
            enc_alg="aes_256_cbc",
            mdn_mode="SYNC",
            mdn_digest_alg="sha256",
        ),
    )


def raw_message(headers, body):
    return "".join(f"{k}: {v}\r\n" for k, v in headers).encode("latin-1") + b"\r\n" + body


# --- receive


class Receiver(Peer):
    """The URL of the receiver. The server object carries us, them and inbox."""

    timeout = None  # a sender that has nothing to send keeps its connection

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        message = pyas2lib.Message()
        status, (error, _), mdn = message.parse(
            raw_message(self.headers.items(), body),
            find_org_cb=lambda _: self.server.us,
            find_partner_cb=lambda _: self.server.them,
            find_message_cb=lambda *_: False,
        )
        if status != "processed" or not message.signed or not message.encrypted:
            print(f"message {message.message_id}: {status} {error}", flush=True)
        else:
            self.deliver(message)
        self.answer(200, mdn.headers, mdn.content)

    def deliver(self, message):
        name = os.path.basename(message.payload.get_filename())
        part = os.path.join(self.server.inbox, "." + name)
        with open(part, "xb") as f:
            f.write(message.content)
        os.rename(part, os.path.join(self.server.inbox, name))


def receive(workers, key, certificate, theirs, address, inbox):
    host, _, port = address.rpartition(":")
    server = http.server.HTTPServer((host, int(port)), Receiver)
    server.us, server.them = identities(RECEIVER, SENDER, key, certificate, theirs)
    server.inbox = inbox
    return [multiprocessing.Process(target=server.serve_forever) for _ in range(workers)]


# --- send


def send(workers, key, certificate, theirs, url, outbox, sent):
    queue = multiprocessing.SimpleQueue()
    us, them = identities(SENDER, RECEIVER, key, certificate, theirs)
    processes = [multiprocessing.Process(target=post_all, args=(queue, us, them, url, outbox, sent)) for _ in range(workers)]
    return processes + [multiprocessing.Process(target=watch, args=(queue, outbox))]


def watch(queue, outbox):
    known = set()
    while True:
        listed = set(os.listdir(outbox))
        for name in sorted(listed - known):
            queue.put(name)
        known = listed
        time.sleep(0.01)


def post_all(queue, us, them, url, outbox, sent):
    u = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(u.hostname, u.port)
    while True:
        name = queue.get()
        file = os.path.join(outbox, name)
        message = pyas2lib.Message(sender=us, receiver=them)
        message.build(
            read(file), filename=name, subject="bench", content_type=CONTENT_TYPE, disposition_notification_to="edi@pyas2.example"
        )
        connection.request("POST", u.path, body=message.content, headers=message.headers)
        response = connection.getresponse()
        raw = raw_message(response.getheaders(), response.read())
        mdn = pyas2lib.Mdn()
        status, detail = mdn.parse(raw, find_message_cb=lambda *_: message)
        mic, _ = returned_mic(mdn)
        signed = mdn.digest_alg is not None  # set by pyas2-lib once the signature is verified
        if response.status != 200 or status != "processed" or not signed or base64.b64decode(mic) != base64.b64decode(message.mic):
            raise SystemExit(f"{name}: HTTP {response.status}, {status} {detail}, signed {signed}, MIC {mic!r}")
        os.rename(file, os.path.join(sent, name))


# --- both


def main():
    mode, workers, *rest = sys.argv[1:]
    processes = {"receive": receive, "send": send}[mode](int(workers), *rest)
    for p in processes:
        p.daemon = True  # they end with this one
        p.start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    multiprocessing.connection.wait([p.sentinel for p in processes])
    return "one of the processes has ended"


if __name__ == "__main__":
    sys.exit(main())
