"""Made-up Markdown of every kind of block, and what it is read as."""

from hypothesis import strategies as st
from markdown_it import MarkdownIt

SENTENCES = (
    "Ann was born in Bo.",
    "She left?",
    "He said so!",
    "Use `x = a[1]. B` here.",
    "It is `code`",
    "See [the page. It is](http://x.org/a_b) there.",
    "At https://x.org/a.",
    "**Bold. Still bold.**",
    "A *word* and _another._",
    "The norm $x_1. Y$ is small.",
    "An <b>old. tag</b> here.",
    "An ![image. Of](x.png) it.",
    "It says so [3].",
    "Again.[1]",
    "A [^2] note.",
    "5 < 6 and |x| = 2.",
    "他死了。他是医生。",
    "他说。**重点**(1990)。",
    "A \\* star.",
    "Open `tick. And",
    "Open [bracket. And",
    "~~Gone.~~",
    r"So \(a. B\) holds.",
    "1986 was it.",
    "Price is $5. Or $6.",
    "<http://x.org/>. Then.",
)
CODE = ("x = values[1][2]", "print(1. Then)", "", "    indented", "# a comment. Two.", "``", "[3]")

lines = st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=3).map(" ".join)
paragraphs = st.lists(lines, min_size=1, max_size=2).map("\n".join)
headings = st.builds(
    "{} {}{}".format, st.sampled_from(["#", "##"]), lines, st.sampled_from(["", " ##"])
)
underlined = lines.map(lambda line: f"{line}\n===")
fences = st.builds(
    lambda sign, info, code: f"{sign}{info}\n" + "\n".join(code) + f"\n{sign}",
    st.sampled_from(["```", "~~~~"]),
    st.sampled_from(["", "python", "a word. Two"]),
    st.lists(st.sampled_from(CODE), max_size=3),
)
indented = st.lists(st.sampled_from([c for c in CODE if c]), min_size=1, max_size=2).map(
    lambda code: "\n".join(f"    {line}" for line in code)
)
cells = st.sampled_from(["", "Ann", "She is. He was.", "`a` b", "[3]", "x \\| y", "Bo."])
rows = st.builds(lambda a, b, bar: f"| {a} | {b} {bar}", cells, cells, st.sampled_from(["|", ""]))
tables = st.lists(rows, min_size=1, max_size=3).map(
    lambda found: "\n".join([found[0], "|---|---|", *found[1:]])
)
raw = st.sampled_from(
    ["<div>\nHello. You.\n</div>", "<!-- no. No -->", "---", "[foo]: /url. x", "<hr>"]
)
data = st.sampled_from(['{"a": "x. Y"}\n{"b": 2}', '[{"name": "Ann"}]', '{\n  "a": [1]\n}'])
leaves = st.one_of(paragraphs, headings, underlined, fences, indented, tables, raw, data)


def _inside(blocks):
    return st.one_of(_lists(blocks), blocks.map(lambda text: _indented(text, "> ", "> ")))


@st.composite
def _lists(draw, blocks):
    gap = draw(st.sampled_from(["\n", "\n\n"]))
    items = draw(st.lists(blocks, min_size=1, max_size=3))
    sign = draw(st.sampled_from(["- ", "1. ", "* "]))
    return gap.join(_indented(item, sign, " " * len(sign)) for item in items)


def _indented(text, first, other):
    return first + f"\n{other}".join(text.split("\n"))


blocks = st.recursive(leaves, _inside, max_leaves=4)


@st.composite
def _documents(draw):
    parts = draw(st.lists(blocks, min_size=1, max_size=4))
    gaps = draw(st.lists(st.sampled_from(["\n\n", "\n"]), min_size=len(parts), max_size=len(parts)))
    text = "".join(part + gap for part, gap in zip(parts, gaps, strict=True))
    cut = draw(st.integers(0, 12))
    return text.strip()[: -cut or None].strip()


def _ends(text):
    """Whether nothing is left open that hides all that follows, as comments do."""
    return text.count("<!--") == text.count("-->") and "<?" not in text


#: Pieces of Markdown in any order.
SIGNS = st.sampled_from(
    [*"`*_[]()<>|#-+~$\\ \n\t1.a:&{}", "```", "\n\n", "> ", "- ", "    ", "A b. "]
)

#: Texts as models write them, now and then cut off, and some that nobody writes.
documents = st.one_of(_documents(), st.lists(SIGNS, max_size=20).map(lambda s: "".join(s).strip()))
documents = documents.filter(str.strip).filter(_ends)

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def shape(text, mark=None):
    """Return a text's blocks and what stands in them, without marks and paragraphs of marks alone.

    Args:
        text: Markdown.
        mark: What stands for a mark; it has to be read as text.
    """
    found = []
    for token in PARSER.parse(text):
        found.append((token.type, token.level, token.tag, token.info, _content(token, mark)))
    alone = [
        i
        for i, (*_, content) in enumerate(found)
        if content == [mark] and found[i - 1][0] == "paragraph_open"
    ]
    gone = {place for i in alone for place in (i - 1, i, i + 1)}
    return [_without(part, mark) for i, part in enumerate(found) if i not in gone]


def _content(token, mark):
    if token.type != "inline":
        return token.content.rstrip("\n")
    parts, text = [], ""
    for child in token.children:
        if child.type == "text":
            text += child.content
        else:
            parts += [text, (child.type, child.content, str(child.attrs))]
            text = ""
    if mark and not parts and text == mark * (len(text) // len(mark)) != "":
        return [mark]
    return [*parts, text] if parts or text else []


def _without(part, mark):
    *about, content = part
    if mark is None or not isinstance(content, list):
        return (*about, content)
    plain = [
        c.replace(f" {mark}", "").replace(mark, "") if isinstance(c, str) else c for c in content
    ]
    return (*about, plain if plain != [""] else [])
