"""A mail server (aiosmtpd) that says in a line of JSON what Python's email package reads in each message it takes.

usage: mail_server.py starttls|implicit|plain CERTIFICATE KEY LOGIN-MECHANISM-OR-none

Prints the port first. The login is "us" with "open sesame"; recipients that begin with "nobody" do not exist, and a sender that begins
with "busy" is told to come later. Ends when standard input does.
"""

import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Handler:
    async def handle_MAIL(self, server, session, envelope, address, options):
        if address.startswith("busy"):
            return "451 come later"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody"):
            return "550 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        m = email.message_from_bytes(envelope.content, policy=email.policy.default)
        print(json.dumps({
            "tls": session.ssl is not None or mode == "implicit", "login": session.authenticated, "mail_from": envelope.mail_from, "rcpt_tos": envelope.rcpt_tos,
            "fields": sorted(k.lower() for k in m.keys()), "subject": m["subject"], "from": m["from"], "to": m["to"], "date": m["date"].datetime.isoformat(),
            "message_id": m["message-id"], "references": m["references"], "in_reply_to": m["in-reply-to"], "auto_submitted": m["auto-submitted"],
            "type": m.get_content_type(), "charset": m.get_content_charset(), "text": m.get_content(), "defects": [str(d) for d in m.defects],
            "longest": max(len(line) for line in envelope.content.split(b"\r\n")),
        }), flush=True)
        return "250 queued as 4711"


def authenticate(server, session, envelope, mechanism, data):
    return AuthResult(success=data.login == b"us" and data.password == b"open sesame", handled=False)


mode, certificate, key, mechanism = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)


def protocol():
    login = {} if mechanism == "none" else {
        "auth_required": True, "authenticator": authenticate, "auth_exclude_mechanism": {"PLAIN", "LOGIN"} - {mechanism}}
    if mode == "starttls":
        return SMTP(Handler(), tls_context=context, require_starttls=True, **login)
    return SMTP(Handler(), auth_require_tls=mode != "implicit", **login)


async def main():
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, ssl=context if mode == "implicit" else None)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


asyncio.run(main())
