#!/usr/bin/env python3
"""Captures receipts of a running OpenAS2: openas2-processed and openas2-error.

    mvn dependency:copy-dependencies -f ../../../testdata/interop/openas2-pom.xml -DoutputDirectory=/some/lib
    python3 make_openas2.py /some/lib

It starts OpenAS2 on 127.0.0.1 with keys that it makes and throws away, posts a plain message that asks for a signed
synchronous receipt, then one that is encrypted to somebody else, and writes down what comes back, byte for byte.
"""

import pathlib
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent

CONFIG = """<?xml version="1.0" encoding="UTF-8"?>
<openas2>
  <properties storageBaseDir="{d}/data"/>
  <certificates classname="org.openas2.cert.PKCS12CertificateFactory" filename="{d}/keys.p12" password="secret" interval="3000"/>
  <loggers><logger classname="org.openas2.logging.ConsoleLogger"/></loggers>
  <commands classname="org.openas2.cmd.XMLCommandRegistry" filename="{d}/commands.xml"/>
  <commandProcessors/>
  <partnerships classname="org.openas2.partner.XMLPartnershipFactory" filename="{d}/partnerships.xml"/>
  <processor classname="org.openas2.processor.DefaultProcessor" pendingMDN="{d}/data/pending" pendingMDNinfo="{d}/data/pendinginfo">
    <module classname="org.openas2.processor.sender.MDNSenderModule"/>
    <module classname="org.openas2.processor.storage.MessageFileModule" filename="{d}/data/received/$msg.headers.message-id$" protocol="as2" tempdir="{d}/data/temp"/>
    <module classname="org.openas2.processor.receiver.AS2ReceiverModule" address="127.0.0.1" port="{port}" errordir="{d}/data/error" errorformat="headers.message-id"/>
  </processor>
</openas2>
"""

PARTNERSHIPS = """<?xml version="1.0" encoding="UTF-8"?>
<partnerships>
  <partner name="ours" as2_id="OURS" x509_alias="ours" email="edi@ours.example"/>
  <partner name="theirs" as2_id="THE IRS" x509_alias="theirs" email="edi@theirs.example"/>
  <partnership name="in"><sender name="ours"/><receiver name="theirs"/><attribute name="protocol" value="as2"/><attribute name="subject" value="s"/></partnership>
</partnerships>
"""


def run(*args, data=None):
    return subprocess.run([str(a) for a in args], input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout


def keys(d):
    for name in ("ours", "theirs", "somebody"):
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", d / f"{name}.key", "-out", d / f"{name}.pem", "-days", "3650", "-subj", f"/CN={name}", "-sha256")
        run("openssl", "pkcs12", "-export", "-in", d / f"{name}.pem", "-inkey", d / f"{name}.key", "-name", name, "-passout", "pass:secret", "-out", d / f"{name}.p12")
    for name in ("ours", "theirs"):
        run("keytool", "-J-Dkeystore.pkcs12.legacy", "-importkeystore", "-noprompt", "-srckeystore", d / f"{name}.p12", "-srcstorepass", "secret", "-destkeystore", d / "keys.p12", "-deststorepass", "secret", "-deststoretype", "PKCS12")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def connect(port, process):
    for _ in range(300):
        if process.poll() is not None:
            sys.exit(f"OpenAS2 ended with {process.returncode}")
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=60)
        except ConnectionRefusedError:
            time.sleep(0.2)
    sys.exit("OpenAS2 does not listen")


def exchange(port, process, headers, body):
    """Posts a message and returns the answer behind its status line."""
    head = ["POST / HTTP/1.1", f"Host: 127.0.0.1:{port}", "AS2-Version: 1.2", "AS2-From: OURS", 'AS2-To: "THE IRS"', "Message-ID: <1@ours>", "Subject: s", "Date: Mon, 23 Nov 2026 12:00:00 +0000",
            "Disposition-Notification-To: edi@ours.example", "Disposition-Notification-Options: signed-receipt-protocol=optional, pkcs7-signature; signed-receipt-micalg=optional, sha-256",
            "Connection: close", f"Content-Length: {len(body)}"] + headers
    with connect(port, process) as s:
        s.sendall("\r\n".join(head + ["", ""]).encode() + body)
        answer = b""
        while chunk := s.recv(1 << 16):
            answer += chunk
    status, _, rest = answer.partition(b"\r\n")
    print(status.decode())
    return rest


def main():
    lib = pathlib.Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as name:
        d = pathlib.Path(name)
        keys(d)
        port = free_port()
        (d / "config.xml").write_text(CONFIG.format(d=d, port=port))
        (d / "commands.xml").write_text("<commands/>")
        (d / "partnerships.xml").write_text(PARTNERSHIPS)
        process = subprocess.Popen(["java", "-Dorg.apache.commons.logging.Log=org.openas2.logging.Log", "-cp", f"{lib}/*", "org.openas2.app.OpenAS2Server", str(d / "config.xml")], stdin=subprocess.PIPE, stdout=sys.stderr, stderr=sys.stderr)
        try:
            plain = exchange(port, process, ["Content-Type: application/edifact"], b"UNB+UNOA:3'")
            part = b"Content-Type: application/edifact\r\n\r\nUNB+UNOA:3'"
            foreign = run("openssl", "cms", "-encrypt", "-binary", "-aes-256-cbc", "-outform", "DER", d / "somebody.pem", data=part)
            error = exchange(port, process, ["Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m"], foreign)
        finally:
            process.kill()
            process.wait()
        for case, answer in (("openas2-processed", plain), ("openas2-error", error)):
            folder = HERE / case
            folder.mkdir(exist_ok=True)
            (folder / "answer.http").write_bytes(answer)
            (folder / "signer.pem").write_bytes((d / "theirs.pem").read_bytes())


if __name__ == "__main__":
    main()
