#!/usr/bin/env python3
"""Makes the receipts in this folder again: pyas2-lib 1.4.4 builds its own, openssl signs the hand-made ones.

    python3 -m venv v && v/bin/pip install -r ../../../testdata/judges/requirements.txt && v/bin/python make.py

The keys are made for one run and thrown away; what stays of them are certificates. Each folder holds answer.http, the
header lines and the body as they would go over the wire, and signer.pem, the certificate that the partner is known by. What
must be read in them stands in mdnvectors_test.go.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
REPORT_TYPE = 'multipart/report; report-type=disposition-notification; boundary="inner"'
MIC = "6WhpS9y0YgQQWlB+6ffYYhbbGlIUs4kqBSbBKZJaEMQ=, sha-256"


def openssl(*args, data=None):
    return subprocess.run(("openssl",) + args, input=data, stdout=subprocess.PIPE, check=True).stdout


def identity(folder, name, *algorithm):
    key, cert = folder / f"{name}.key", folder / f"{name}.pem"
    openssl("req", "-x509", "-newkey", *(algorithm or ["rsa:2048"]), "-nodes", "-keyout", key, "-out", cert, "-days", "3650", "-subj", f"/CN={name}", "-sha256")
    return key, cert


def report(disposition="automatic-action/MDN-sent-automatically; processed", mic=MIC, text="The AS2 message has been received."):
    """A multipart/report with its header, as the first part of a multipart/signed."""
    lines = [
        f"Content-Type: {REPORT_TYPE}", "", "--inner", "Content-Type: text/plain", "Content-Transfer-Encoding: 7bit", "", text, "",
        "--inner", "Content-Type: message/disposition-notification", "Content-Transfer-Encoding: 7bit", "",
        "Reporting-UA: hand-made", "Original-Recipient: rfc822; THEIRS", "Final-Recipient: rfc822; THEIRS", "Original-Message-ID: <1@ours>",
        f"Disposition: {disposition}", f"Received-Content-MIC: {mic}", "", "--inner--", "",
    ]
    return "\r\n".join(lines).encode()


def sign(signer, part, *flags):
    key, cert = signer
    return openssl("cms", "-sign", "-binary", "-signer", cert, "-inkey", key, "-outform", "DER", *flags, data=part)


def signed(part, signature, signature_header, micalg="sha-256"):
    head = f'AS2-From: THEIRS\r\nAS2-To: OURS\r\nContent-Type: multipart/signed; protocol="application/pkcs7-signature"; micalg={micalg}; boundary="outer"\r\n\r\n'
    return head.encode() + b"--outer\r\n" + part + b"\r\n--outer\r\n" + signature_header + b"\r\n" + signature + b"\r\n--outer--\r\n"


def indefinite(der, depth=3):
    """The same structure with indefinite lengths in its outer four layers, as Bouncy Castle writes it: what is signed lies deeper."""
    tag, length, at = der[0], der[1], 2
    if length & 0x80:
        at += length & 0x7F
        length = int.from_bytes(der[2:at], "big")
    content, rest = der[at : at + length], der[at + length :]
    if tag & 0x20 and depth >= 0:
        out = b""
        while content:
            first, content = indefinite(content, depth - 1)
            out += first
        written = bytes([tag, 0x80]) + out + b"\x00\x00"
    else:
        written = der[: at + length]
    return written if depth == 3 else (written, rest)


def base64_lines(der):
    return openssl("base64", "-e", data=der).replace(b"\n", b"\r\n").rstrip()


P7S = b"Content-Type: application/pkcs7-signature; name=smime.p7s\r\n"
BASE64 = b"Content-Transfer-Encoding: base64\r\n"


def write(name, answer, cert=None):
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    (folder / "answer.http").write_bytes(answer)
    if cert:
        (folder / "signer.pem").write_bytes(cert.read_bytes())


def by_openssl(folder):
    signer, other = identity(folder, "theirs"), identity(folder, "somebody")
    part = report()
    der = sign(signer, part, "-md", "sha256")
    write("base64-signature", signed(part, base64_lines(der), P7S + BASE64), signer[1])
    # mendelson signs with Bouncy Castle: indefinite lengths; several products send the signature as it is, without a word.
    write("binary-ber-signature", signed(part, indefinite(der), P7S), signer[1])
    write("no-signed-attributes", signed(part, base64_lines(sign(signer, part, "-md", "sha256", "-noattr", "-nocerts")), P7S + BASE64), signer[1])
    write("sha1-signature", signed(part, base64_lines(sign(signer, part, "-md", "sha1")), P7S + BASE64, "sha1"), signer[1])
    write("pss-signature", signed(part, base64_lines(sign(signer, part, "-md", "sha384", "-keyopt", "rsa_padding_mode:pss")), P7S + BASE64, "sha-384"), signer[1])
    curve = identity(folder, "theirs-ec", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    write("ecdsa-signature", signed(part, base64_lines(sign(curve, part, "-md", "sha512")), P7S + BASE64, "sha-512"), curve[1])
    write("of-a-stranger", signed(part, base64_lines(sign(other, part, "-md", "sha256")), P7S + BASE64), signer[1])
    write("changed-after-signing", signed(part.replace(b"; processed", b"; Processed"), base64_lines(der), P7S + BASE64), signer[1])
    write("sent-with-bare-lf", signed(part.replace(b"\r\n", b"\n"), base64_lines(der), P7S + BASE64), signer[1])
    head = b"AS2-From: THEIRS\r\nAS2-To: OURS\r\nContent-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m\r\n"
    opaque = sign(signer, part, "-md", "sha256", "-nodetach", "-stream")
    write("opaque", head + b"\r\n" + opaque, signer[1])
    write("opaque-base64", head.replace(b"pkcs7", b"x-pkcs7") + BASE64 + b"\r\n" + base64_lines(opaque) + b"\r\n", signer[1])
    encrypted = openssl("cms", "-encrypt", "-binary", "-aes-256-cbc", "-outform", "DER", signer[1], data=part)
    write("encrypted", head.replace(b"signed-data", b"enveloped-data") + b"\r\n" + encrypted)


def import_pyas2lib():
    # See testdata/judges/pyas2_peer.py: oscrypto does not read versions of OpenSSL with two digits.
    narrow, wide = r"\b(\d\.\d\.\d[a-z]*)\b", r"\b(\d+\.\d+\.\d+[a-z]*)\b"
    search = re.search
    re.search = lambda pattern, *rest: search(wide if pattern == narrow else pattern, *rest)
    try:
        import pyas2lib
    finally:
        re.search = search
    return pyas2lib


def by_pyas2lib(folder):
    pyas2lib = import_pyas2lib()
    (our_key, our_cert), (their_key, their_cert) = identity(folder, "ours"), identity(folder, "theirs-pyas2")
    ours = pyas2lib.Organization(as2_name="OURS", sign_key=our_key.read_bytes() + our_cert.read_bytes(), decrypt_key=our_key.read_bytes() + our_cert.read_bytes())
    theirs = pyas2lib.Organization(as2_name="THE IRS", sign_key=their_key.read_bytes() + their_cert.read_bytes(), decrypt_key=their_key.read_bytes() + their_cert.read_bytes())
    options = dict(sign=True, digest_alg="sha256", encrypt=True, enc_alg="aes_256_cbc", mdn_mode="SYNC", mdn_digest_alg="sha256")
    seen_by_us = pyas2lib.Partner(as2_name="THE IRS", verify_cert=their_cert.read_bytes(), encrypt_cert=their_cert.read_bytes(), **options)
    for name, us, before in (("pyas2lib-processed", our_cert, False), ("pyas2lib-duplicate", our_cert, True), ("pyas2lib-authentication-failed", their_cert, False)):
        message = pyas2lib.Message(sender=ours, receiver=seen_by_us)
        message.build(b"UNB+UNOA:3'", filename="a.edi", subject="s", content_type="application/octet-stream", disposition_notification_to="x@ours.example", message_id="1@ours")
        raw = "".join(f"{k}: {v}\r\n" for k, v in message.headers.items()).encode() + b"\r\n" + message.content
        sender = pyas2lib.Partner(as2_name="OURS", verify_cert=us.read_bytes(), encrypt_cert=our_cert.read_bytes(), **options)
        _, _, mdn = pyas2lib.Message().parse(raw, find_org_cb=lambda _: theirs, find_partner_cb=lambda _: sender, find_message_cb=lambda *_: before)
        head = "".join(f"{k}: {v}\r\n" for k, v in mdn.headers.items()).encode() + b"\r\n"
        write(name, head + mdn.content, their_cert)


def main():
    os.umask(0o022)
    with tempfile.TemporaryDirectory() as d:
        folder = pathlib.Path(d)
        by_openssl(folder)
        by_pyas2lib(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
