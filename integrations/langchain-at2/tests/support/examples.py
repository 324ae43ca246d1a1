"""What the examples print."""

import re

from support.places import REPOSITORY

EXAMPLES = REPOSITORY / "examples"


def check_output(text):
    assert text.splitlines()[0].endswith("?")
    (answer,) = re.findall("^→ (.+)$", text, re.MULTILINE)
    assert "Final answer: " in answer
    assert re.search(r"^\[1\] [^:]+: .+\.$", text, re.MULTILINE)
