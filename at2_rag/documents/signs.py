"""Which signs Punkt takes for quotes and brackets, whatever release of nltk there is."""

from __future__ import annotations

import re

from nltk.tokenize.punkt import PunktLanguageVars

#: Quotes that open or close as those of ASCII do; nltk before 3.10 does not know them.
_QUOTES = "‘’“”«»"


class Signs(PunktLanguageVars):  # type: ignore[misc]  # nltk has no types
    """Quotes as nltk has taken them since 3.10."""

    re_boundary_realignment = re.compile(rf"""["')\]}}{_QUOTES}]+?(?:\s+|(?=--)|$)""", re.MULTILINE)

    @property
    def _re_non_word_chars(self) -> str:
        ends = re.escape("".join({*self.sent_end_chars} - {"."}))
        return rf"""(?:[)";}}\]*:@'({{\[{_QUOTES}{ends}])"""
