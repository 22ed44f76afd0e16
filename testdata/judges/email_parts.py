"""What Python's email package finds in a MIME entity.

Usage: python3 email_parts.py < ENTITY, header and body. It prints one JSON object: the type of the entity, its parameters
type and start, and the parts, each with type, Content-ID, transfer encoding, file names (the plain one, then that of RFC
2231 where there is one) and SHA-256 of the decoded content. What the package calls a defect anywhere in the entity makes
it end with 1, but for a name in both forms: of these it knows the first alone.
"""

import email
import email.policy
import email.utils
import hashlib
import json
import sys


BOTH_FORMS = "duplicate parameter name"


def names(part):
    """The file names of a part, as the older interface of the package reads them."""
    return [email.utils.collapse_rfc2231_value(v) for k, v in part.get_params(header="Content-Disposition") if k == "filename"]


def main():
    entity = sys.stdin.buffer.read()
    message = email.message_from_bytes(entity, policy=email.policy.default)
    defects = [f"{part.get_content_type()}: {defect!r}" for part in message.walk() for defect in part.defects]
    for part in message.walk():
        for name, value in part.items():
            defects += [f"{name}: {defect!r}" for defect in value.defects if BOTH_FORMS not in str(defect)]
    if defects:
        sys.exit("\n".join(defects))
    parts = [
        {
            "type": part.get_content_type(),
            "id": part["Content-ID"],
            "encoding": part["Content-Transfer-Encoding"],
            "names": names(old),
            "sha256": hashlib.sha256(part.get_payload(decode=True)).hexdigest(),
        }
        for part, old in zip(message.iter_parts(), email.message_from_bytes(entity).get_payload(), strict=True)
    ]
    root = message["Content-Type"].params
    print(json.dumps({"type": message.get_content_type(), "root": root.get("type"), "start": root.get("start"), "parts": parts}))


main()
