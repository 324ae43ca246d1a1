"""Scripts that set no spaces between words, as classes of regular expressions without brackets."""

from __future__ import annotations

#: Kana, and the characters that Chinese, Japanese and Korean share. Each can stand for a word.
CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
#: These and Thai, Lao, Tibetan, Burmese and Khmer, whose words take several letters.
UNSPACED = f"\u0e00-\u109f\u1780-\u17ff{CJK}"
