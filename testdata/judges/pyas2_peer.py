#!/usr/bin/env python3
"""A second AS2 implementation for the judges: pyas2-lib 1.4.4 behind a small HTTP(S) server and client.

    pyas2_peer.py serve --us BUYER --key us.key --cert us.pem --them SUPPLIER --them-cert them.pem --folder in
    pyas2_peer.py send  --us BUYER --key us.key --cert us.pem --them SUPPLIER --them-cert them.pem --url URL FILE

serve refuses what is not signed and encrypted, writes each payload into the folder under the name that the message
gives, and answers with a signed synchronous MDN. Its first line on standard output is the URL it listens on; after that
each message is one line of JSON. It ends when standard input ends, so a test that dies takes it along.

send signs (sha256) and encrypts (AES-256-CBC) one file, posts it, asks for a signed synchronous MDN, checks it, and
prints what it found as one line of JSON. It exits 0 only if the HTTP status is 200 and the MDN is signed by the partner,
says exactly "processed" and returns our MIC. pyas2-lib itself lets a missing MIC pass, so that is checked here.

Both work on messages that fit into memory; pyas2-lib knows no other.
"""

import argparse
import base64
import http.client
import http.server
import json
import os
import re
import socket
import ssl
import sys
import threading
import urllib.parse

CONTENT_TYPE = "application/octet-stream"  # the only type whose bytes pyas2-lib leaves alone when sending


def import_pyas2lib():
    """Import pyas2lib on machines whose OpenSSL has a two-digit patch level.

    oscrypto 1.3.0, its newest release, looks for the version of libcrypto with a pattern that takes 3.0.9 and finds
    nothing in 3.0.17. The pattern is widened while the module is loaded, and only that one.
    """
    narrow, wide = r"\b(\d\.\d\.\d[a-z]*)\b", r"\b(\d+\.\d+\.\d+[a-z]*)\b"
    search = re.search
    re.search = lambda pattern, *rest: search(wide if pattern == narrow else pattern, *rest)
    try:
        import pyas2lib
    finally:
        re.search = search
    return pyas2lib


pyas2lib = import_pyas2lib()
from pyas2lib.utils import unquote_as2name  # noqa: E402  only after the widened import


def read(path):
    with open(path, "rb") as f:
        return f.read()


def ourselves(args):
    pem = read(args.key) + b"\n" + read(args.cert)
    return pyas2lib.Organization(as2_name=args.us, sign_key=pem, decrypt_key=pem, domain="pyas2.example")


def partner(args):
    certificate = read(args.them_cert)
    return pyas2lib.Partner(
        as2_name=args.them,
        verify_cert=certificate,
        encrypt_cert=certificate,
        sign=True,
        digest_alg="sha256",
        encrypt=True,
        enc_alg="aes_256_cbc",
        mdn_mode="SYNC",
        mdn_digest_alg="sha256",
    )


def say(**facts):
    print(json.dumps(facts), flush=True)


# --- serve


class Peer(http.server.BaseHTTPRequestHandler):
    """One AS2 URL. The server object carries args, us, them, seen and lock."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # status line, headers and body leave in one segment; two would wait for each other
    timeout = 60

    def do_POST(self):
        length = self.headers.get("Content-Length")
        if length is None or not length.isdigit():
            self.answer(411, {}, b"")
            return
        body = self.rfile.read(int(length))
        raw = "".join(f"{k}: {v}\r\n" for k, v in self.headers.items()).encode("latin-1") + b"\r\n" + body

        server = self.server
        names = [unquote_as2name(self.headers.get(h, "")) for h in ("AS2-From", "AS2-To")]
        if names != [server.args.them, server.args.us]:
            self.answer(400, {}, b"")  # pyas2-lib trips over its own MDN for a partner it does not know
            return
        message = pyas2lib.Message()
        with server.lock:
            status, (error, _), mdn = message.parse(
                raw,
                find_org_cb=lambda _: server.us,
                find_partner_cb=lambda _: server.them,
                find_message_cb=lambda message_id, _: message_id in server.seen,
            )
            name = None
            if status == "processed":
                server.seen.add(message.message_id)
                name = self.deliver(message)
        say(
            message_id=message.message_id,
            status=status,
            error=str(error) if error else "",
            signed=message.signed,
            encrypted=message.encrypted,
            compressed=message.compressed,
            digest=message.digest_alg or "",
            mic=message.mic.decode() if message.mic else "",
            content_type=message.payload.get_content_type(),
            file=name or "",
        )
        if mdn is None:
            self.answer(200, {}, b"")
        else:
            self.answer(200, mdn.headers, mdn.content)

    def deliver(self, message):
        # pyas2-lib adds the HTTP headers to the payload's own ones; the first Content-Disposition is the payload's.
        name = os.path.basename(message.payload.get_filename() or "") or "unnamed"
        with open(os.path.join(self.server.args.folder, name), "xb") as f:
            f.write(message.content)
        return name

    def answer(self, status, headers, body):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_):
        pass


def serve(args):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", args.port), Peer)
    server.daemon_threads = True
    server.args, server.us, server.them = args, ourselves(args), partner(args)
    server.seen, server.lock = set(), threading.Lock()
    scheme = "http"
    if args.tls_cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(args.tls_cert, args.tls_key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    print(f"{scheme}://127.0.0.1:{server.server_port}/as2", flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    return 0


# --- send


def post(url, headers, body, ca):
    """POST in one segment and return status, headers and body."""
    u = urllib.parse.urlsplit(url)
    tls = u.scheme == "https"
    with socket.create_connection((u.hostname, u.port or (443 if tls else 80)), timeout=60) as plain:
        s = plain
        if tls:
            s = ssl.create_default_context(cafile=ca).wrap_socket(plain, server_hostname=u.hostname)
        head = [f"POST {u.path or '/'} HTTP/1.1", f"Host: {u.netloc}"]
        head += [f"{k}: {v}" for k, v in headers.items()]
        head += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
        s.sendall("\r\n".join(head).encode("latin-1") + body)
        response = http.client.HTTPResponse(s, method="POST")
        response.begin()
        return response.status, response.getheaders(), response.read()


def returned_mic(mdn):
    """The Received-Content-MIC of a parsed MDN as (base64, algorithm), or two empty strings."""
    for part in mdn.payload.walk():
        if part.get_content_type() == "message/disposition-notification":
            digest, _, algorithm = part.get_payload()[-1].get("Received-Content-MIC", "").partition(",")
            return digest.strip(), algorithm.strip().lower()
    return "", ""


def send(args):
    message = pyas2lib.Message(sender=ourselves(args), receiver=partner(args))
    message.build(
        read(args.file),
        filename=os.path.basename(args.file),
        subject="from pyas2-lib",
        content_type=CONTENT_TYPE,
        disposition_notification_to="edi@pyas2.example",
        message_id=args.message_id,
    )
    status, headers, body = post(args.url, message.headers, message.content, args.ca)
    result = dict(http=status, message_id=message.message_id, sent_mic=message.mic.decode(), status="", detail="")
    ok = False
    if not body:
        result["detail"] = "empty answer"
    else:
        raw = "".join(f"{k}: {v}\r\n" for k, v in headers).encode("latin-1") + b"\r\n" + body
        mdn = pyas2lib.Mdn()
        result["status"], result["detail"] = mdn.parse(
            raw, find_message_cb=lambda message_id, _: message if message_id == message.message_id else None
        )
        result["mic"], result["mic_algorithm"] = returned_mic(mdn)
        result["signed"] = mdn.digest_alg is not None  # set by pyas2-lib once the signature is verified
        same = result["mic"] != "" and base64.b64decode(result["mic"]) == base64.b64decode(message.mic)
        ok = status == 200 and result["status"] == "processed" and result["signed"] and same
    say(ok=ok, **result)
    return 0 if ok else 1


def main():
    parser = argparse.ArgumentParser(description="AS2 peer on pyas2-lib, for tests on 127.0.0.1")
    modes = parser.add_subparsers(dest="mode", required=True)
    for name in ("serve", "send"):
        mode = modes.add_parser(name)
        mode.add_argument("--us", required=True, help="our AS2 ID")
        mode.add_argument("--key", required=True, help="our private key, PEM, PKCS#8")
        mode.add_argument("--cert", required=True, help="our certificate, PEM")
        mode.add_argument("--them", required=True, help="the partner's AS2 ID")
        mode.add_argument("--them-cert", required=True, help="the partner's certificate, PEM")
        if name == "serve":
            mode.add_argument("--folder", required=True, help="where payloads go; must exist")
            mode.add_argument("--port", type=int, default=0, help="0 takes a free one")
            mode.add_argument("--tls-cert", help="serve HTTPS with this certificate, PEM")
            mode.add_argument("--tls-key", help="and this key, PEM")
        else:
            mode.add_argument("--url", required=True)
            mode.add_argument("--ca", help="trust this certificate for HTTPS, PEM")
            mode.add_argument("--message-id", help="left half of the Message-ID; made up if absent")
            mode.add_argument("file")
    args = parser.parse_args()
    return serve(args) if args.mode == "serve" else send(args)


if __name__ == "__main__":
    sys.exit(main())
