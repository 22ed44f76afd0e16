#!/usr/bin/env python3
"""pyas2-lib as the other side of every case of make interop, in one process.

    pyas2_matrix.py FOLDER

The program serves messages under /as2 and receipts that come later under /mdn, both on one free port of 127.0.0.1. It
prints the address first, in a line of JSON, and wants a line of JSON on standard input then: where to send to, where it
wants receipts, and a list of cases, each with the AS2 names of both sides and its settings in pyas2-lib's own terms.
Every further line, such as {"key": "...", "file": "...", "name": "..."}, has it send that file for that case. Payloads
that arrive go to FOLDER/KEY/NAME. Every message and receipt that arrives, and every one that was sent, is a line of
JSON on standard output. The program ends with standard input.

What pyas2-lib lets pass is not let pass here: a receipt counts only if it is signed where that was asked for, says
exactly "processed", and repeats our MIC wherever there is one.
"""

import base64
import http.client
import http.server
import json
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "judges"))
from pyas2_peer import CONTENT_TYPE, Peer, post, pyas2lib, read, returned_mic, unquote_as2name  # noqa: E402

lock = threading.Lock()  # of standard output and of everything below
waiting = {}  # Message-ID: (case, message) of what awaits its receipt


def say(**facts):
    with lock:
        print(json.dumps(facts), flush=True)


class Case:
    """One pair of AS2 names with its settings."""

    def __init__(self, settings, mdn_url):
        self.key = settings["key"]
        self.known = settings["known"]
        pem = read(settings["own_key"]) + b"\n" + read(settings["own_cert"])
        self.us = pyas2lib.Organization(
            as2_name=settings["name"], sign_key=pem, decrypt_key=pem, domain="pyas2.example", mdn_url=mdn_url
        )
        self.them = pyas2lib.Partner(
            as2_name=settings["partner"],
            verify_cert=read(settings["verify_cert"]),
            encrypt_cert=read(settings["encrypt_cert"]),
            **settings["agreed"],
        )


def verdict(message, mdn, status, detail):
    """What a receipt is worth: ok, and the facts."""
    mic, algorithm = returned_mic(mdn) if mdn.payload is not None else ("", "")
    same = mic != "" and base64.b64decode(mic) == base64.b64decode(message.mic) if message.mic else True
    signed = mdn.digest_alg is not None  # set by pyas2-lib once the signature is verified
    wanted = message.receiver.mdn_digest_alg is not None
    return dict(
        ok=status == "processed" and same and (signed or not wanted),
        status=status or "",
        detail=detail or "",
        signed=signed,
        mic=mic,
        mic_algorithm=algorithm,
        sent_mic=message.mic.decode() if message.mic else "",
    )


class Matrix(Peer):
    """The URLs of the peer. The server object carries cases, seen and folder."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        raw = "".join(f"{k}: {v}\r\n" for k, v in self.headers.items()).encode("latin-1") + b"\r\n" + body
        if self.path == "/mdn":
            self.take_receipt(raw)
        else:
            self.take_message(raw)

    def take_receipt(self, raw):
        found = []

        def find(message_id, _):
            with lock:
                case, message = waiting.pop(message_id, (None, None))
            found.extend([case, message])
            return message

        mdn = pyas2lib.Mdn()
        status, detail = mdn.parse(raw, find_message_cb=find)
        self.answer(200, {}, b"")
        if found and found[1]:
            say(event="receipt", key=found[0].key, **verdict(found[1], mdn, status, detail))
        else:
            say(event="receipt", key="", ok=False, status=status or "", detail=detail or "")

    def take_message(self, raw):
        names = tuple(unquote_as2name(self.headers.get(h, "")) for h in ("AS2-To", "AS2-From"))
        case = self.server.cases.get(names)
        message = pyas2lib.Message()
        status, (error, _), mdn = message.parse(
            raw,
            find_org_partner_cb=lambda *_: (case.us, case.them) if case and case.known else (None, None),
            find_message_cb=lambda message_id, _: message_id in self.server.seen,
        )
        name = ""
        if status == "processed":
            self.server.seen.add(message.message_id)
            name = os.path.basename(message.payload.get_filename() or "") or "unnamed"
            folder = os.path.join(self.server.folder, case.key)
            os.makedirs(folder, exist_ok=True)
            with open(os.path.join(folder, name), "xb") as f:
                f.write(message.content)
        if mdn is None:
            self.answer(200, {}, b"")
        elif mdn.mdn_url:
            self.answer(200, {}, b"")
            post(mdn.mdn_url, mdn.headers, mdn.content, None)
        else:
            self.answer(200, mdn.headers, mdn.content)
        say(
            event="received",
            key=case.key if case else "",
            ok=status == "processed",
            status=status,
            detail=str(error) if error else "",
            layers=[x for x in ("signed", "encrypted", "compressed") if getattr(message, x)],
            digest=message.digest_alg or "",
            mic=message.mic.decode() if message.mic else "",
            file=name,
        )


def send(case, url, file, name):
    message = pyas2lib.Message(sender=case.us, receiver=case.them)
    message.build(
        read(file), filename=name, subject=case.key, content_type=CONTENT_TYPE, disposition_notification_to="edi@pyas2.example"
    )
    wants_later = case.them.mdn_mode == "ASYNC"
    if wants_later:
        with lock:
            waiting[message.message_id] = (case, message)
    try:
        status, headers, body = post(url, message.headers, message.content, None)
    except http.client.RemoteDisconnected:  # no answer: the same message again
        status, headers, body = post(url, message.headers, message.content, None)
    facts = dict(event="sent", key=case.key, http=status, message_id=message.message_id)
    if wants_later or not case.them.mdn_mode:
        say(ok=200 <= status < 300, **facts)
        return
    raw = "".join(f"{k}: {v}\r\n" for k, v in headers).encode("latin-1") + b"\r\n" + body
    mdn = pyas2lib.Mdn()
    result, detail = mdn.parse(raw, find_message_cb=lambda i, _: message if i == message.message_id else None)
    say(**facts, **verdict(message, mdn, result, detail))


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Matrix)
    server.daemon_threads = True
    say(address=f"127.0.0.1:{server.server_port}")
    setup = json.loads(sys.stdin.readline())
    cases = [Case(settings, setup["mdn_url"]) for settings in setup["cases"]]
    server.cases = {(c.us.as2_name, c.them.as2_name): c for c in cases}
    server.folder, server.seen = sys.argv[1], set()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    by_key = {c.key: c for c in cases}
    say(ready=len(cases))
    for line in sys.stdin:
        order = json.loads(line)
        try:
            send(by_key[order["key"]], setup["url"], order["file"], order["name"])
        except Exception as e:  # one case that cannot be sent must not end the others
            say(event="sent", key=order["key"], ok=False, status="", detail=f"{type(e).__name__}: {e}")


if __name__ == "__main__":
    main()
