"""Texts dense in what decides where a sentence ends."""

from hypothesis import strategies as st

ENDS = ".?!…。！？؟।"
ALPHABETS = (
    "abcXYZ äßİ",
    "0123456789",
    ENDS * 3 + " \n",
    "\"'“”«»()[]「」*-_,;:",
    " \t\n\r\u0085\u00a0\u2028\u3000\x0b\x1c",
    "日本語中文字。",
    "שלום مرحبا",
    "🎉👍🏽\u200d\ufe0f",
)
#: Texts of any characters, and texts dense in what decides where a sentence ends.
TEXTS = st.one_of(
    st.text(),
    st.lists(st.one_of([st.text(letters, max_size=4) for letters in ALPHABETS])).map("".join),
    st.lists(
        st.sampled_from(["Dr.", "U.S.", "No.", "1.", "J.", "He", "said", "...", "?!", '."', "[1]"])
    ).map(" ".join),
)
#: Texts of lines that are more than text, or look so.
LINED = TEXTS | st.lists(
    st.sampled_from(
        ["\n", "\n\n", "\r\n", "```", "~~~", "- ", "1. ", "> ", "| a | b |", "---", "# ", "Name: ",
         "a,b,c", "**B**", "The tower was built in the year of", " workers left.\n", "มม.", "……",
         "「", "」", "。", "He", " ", "\x0c", "42", "\t"]
    )
).map("".join)  # fmt: skip
