"""Says of interchanges whether they are complete, by the parsers of others.

Reads a JSON list of texts from standard input and writes a list of {"complete", "why"}. X12 is judged by pyx12, which
counts itself. pydifact takes EDIFACT apart and does not count, so that is done here.
"""

import io
import json
import sys

from pydifact.control import Characters
from pydifact.parser import Parser, TokenIterator
from pydifact.tokenizer import Tokenizer
from pyx12.x12file import X12Reader


def edifact(text):
    characters = Characters()
    if text.startswith("UNA"):
        characters = Characters.from_str(text[:9])
        text = text[9:].lstrip("\r\n")
    tokens = TokenIterator(Tokenizer().get_tokens(text, characters))
    segments = list(Parser().convert_tokens_to_raw_segments(tokens))
    whole = []  # header, what it counts
    stack = []  # [closing tag, reference, count]
    for s in segments:
        tag, e = s[0], s[1:] + [""] * 6
        if stack and stack[-1][0] == "UNT":
            stack[-1][2] += 1
        if tag == "UNB":
            assert not stack, "UNB within an interchange"
            stack.append(["UNZ", e[4], 0])
            whole.append(s)
        elif tag == "UNG":
            assert len(stack) == 1, "UNG elsewhere"
            stack[-1][2] += 1
            stack.append(["UNE", e[4], 0])
        elif tag == "UNH":
            assert stack and stack[-1][0] in ("UNZ", "UNE"), "UNH elsewhere"
            stack[-1][2] += 1
            stack.append(["UNT", e[0], 1])
        elif tag in ("UNT", "UNE", "UNZ"):
            assert stack and stack[-1][0] == tag, tag + " elsewhere"
            _, reference, count = stack.pop()
            assert e[1] == reference, "references differ"
            assert int(e[0]) == count, "counts differ"
        else:
            assert stack and stack[-1][0] == "UNT", tag + " outside of a message"
    assert whole and not stack, "not closed"


def x12(text):
    reader = X12Reader(io.StringIO(text))
    errors = []
    for _ in reader:
        errors += reader.pop_errors()
    reader.cleanup()
    errors += reader.pop_errors()
    assert not errors, errors


def judge(text):
    try:
        (x12 if text.startswith("ISA") else edifact)(text)
    except Exception as e:  # whatever they trip over is not complete
        return {"complete": False, "why": f"{type(e).__name__}: {e}"}
    return {"complete": True, "why": ""}


json.dump([judge(t) for t in json.load(sys.stdin)], sys.stdout)
