"""A report as one HTML page, which needs nothing else, neither network nor scripts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from at2_rag.answer.answer import Answer
from at2_rag.answer.method_names import method_name
from at2_rag.audit.figures_in_words import FIGURES
from at2_rag.audit.records import WHOLE
from at2_rag.audit.summary import Changed, Summary, name_of
from at2_rag.audit.tally import Tally
from at2_rag.view.page import framed

_STYLE = """
:root { color-scheme: light dark; --rule: #ccc; --faint: #666; --no: #fde0dc; --yes: #e3f3e3; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 70em; padding: 0 1em; }
table { border-collapse: collapse; margin: 1em 0; }
th, td { border-bottom: 1px solid var(--rule); padding: .3em .8em; text-align: right; }
th:first-child, td:first-child { text-align: left; }
details { border-bottom: 1px solid var(--rule); padding: .4em 0; }
summary { cursor: pointer; }
details details { border: 0; margin-left: 1em; }
.no { background: var(--no); } .yes { background: var(--yes); }
.ungrounded { text-decoration: underline wavy 1.5px; text-underline-offset: .25em; }
.small { color: var(--faint); font-size: .9em; } pre { white-space: pre-wrap; font: inherit; }
svg { height: auto; max-width: 100%; }
.wide { overflow-x: auto; }
@media (prefers-color-scheme: dark) {
  :root { --rule: #444; --faint: #aaa; --no: #5c2b26; --yes: #23472a; }
  body > svg { filter: invert(.93) hue-rotate(180deg); }
}
""".strip()

#: Rows whose support changed that are shown of two runs.
_MOST_CHANGES = 50


def make_page(
    summaries: Sequence[Summary],
    figure: str | None = None,
    changed: Sequence[Changed] = (),
    by: str | None = None,
) -> str:
    """Return the page.

    Args:
        summaries: What one audit found, or two that are compared.
        figure: A picture as SVG; ``None`` for none.
        changed: Rows whose support differs between two audits, those that lost most first.
        by: The column that the groups go by; ``None`` where there are none.
    """
    parts = [
        *map(_about, summaries),
        _table(tallies_of(summaries), by),
        figure or "",
        _changes(changed) if len(summaries) > 1 else "",
        *(_worst(summary) for summary in summaries[-1:]),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Audit</title><style>{_STYLE}</style></head>\n<body><h1>Audit</h1>\n"
        + "\n".join(filter(None, parts))
        + "\n</body></html>\n"
    )


def tallies_of(summaries: Sequence[Summary]) -> dict[str, Tally]:
    """Return what is set side by side: the runs, and the groups of each, by their names."""
    if len(summaries) == 1:
        return {"all": summaries[0].overall, **summaries[0].groups}
    found: dict[str, Tally] = {}
    for number, summary in zip("AB", summaries, strict=False):
        found[number] = summary.overall
        found |= {f"{number}: {name}": tally for name, tally in summary.groups.items()}
    return found


def _about(summary: Summary) -> str:
    manifest = summary.manifest
    told = [
        f"model {manifest['model']['name']}",
        f"scored by {manifest['method'] or method_name(manifest['estimator'].split()[0])}",
        *(manifest["files"][number] for number in sorted(manifest["files"], key=int)),
        *([f"{summary.rejected} rows set apart"] if summary.rejected else []),
    ]
    return f'<p><b>{escape(summary.where)}</b><br><span class="small">{_joined(told)}</span></p>'


def _joined(texts: Iterable[str]) -> str:
    return " · ".join(map(escape, texts))


def _table(tallies: Mapping[str, Tally], by: str | None) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in (by or "", *tallies))
    rows = (
        f"<tr><td>{escape(name)}</td>"
        + "".join(f"<td>{told(tally)}</td>" for tally in tallies.values())
        + "</tr>"
        for name, told in FIGURES
    )
    table = f"<table><tr>{head}</tr>{''.join(rows)}</table>"
    return f'<div class="wide" tabindex="0" role="region" aria-label="Counts">{table}</div>'


def _changes(changed: Sequence[Changed]) -> str:
    rows = "".join(
        f"<tr><td>{escape(row.name)}</td><td>{row.before:.0%}</td><td>{row.after:.0%}</td></tr>"
        for row in changed[:_MOST_CHANGES]
    )
    head = "<tr><th>row</th><th>A</th><th>B</th></tr>"
    return (
        f"<h2>Support that changed</h2><p>{len(changed)} rows, those that lost most first.</p>"
        f"<table>{head}{rows}</table>"
    )


def _worst(summary: Summary) -> str:
    if not summary.worst:
        return ""
    views = "\n".join(map(_view, summary.worst))
    what = "a statement that is not supported, or an ungrounded word"
    return f"<h2>Answers with {what}, worst first</h2>\n{views}"


def _view(record: Mapping[str, Any]) -> str:
    """Return an answer that opens when it is clicked."""
    answer = record[WHOLE]
    share = record["at2_supported_share"]
    told = "" if share is None else f"{share:.0%} supported"
    if ungrounded := record["at2_ungrounded"]:
        told += f"{', ' if told else ''}{ungrounded} with an ungrounded word"
    if "attribution" in answer:
        shown = framed(Answer.from_dict(answer).to_html())
    else:
        shown = f"<pre>{_text(answer)}</pre>{_sources(answer)}{_passages(answer, record)}"
    title = f"{told}: {escape(answer['question'])}"
    name = escape(name_of(record))
    return f'<details><summary>{title} <span class="small">{name}</span></summary>{shown}</details>'


def _words(statement: Mapping[str, Any]) -> str:
    """Return a statement's text, with ungrounded words underlined."""
    text, first, parts, done = statement["text"], statement["start"], [], 0
    for start, end in statement.get("ungrounded") or ():
        begin = start - first
        parts += [
            escape(text[done:begin]),
            f'<u class="ungrounded">{escape(text[begin : end - first])}</u>',
        ]
        done = end - first
    return "".join([*parts, escape(text[done:])])


def _text(answer: Mapping[str, Any]) -> str:
    """Return the answer's text, each statement in the colour of its support, with its marks."""
    text, parts, end = answer["text"], [], 0
    for statement in answer["statements"]:
        kind = {True: "yes", False: "no"}.get(statement["supported"], "")
        numbers = sorted(citation["number"] for citation in statement["citations"])
        marks = "".join(f"<sup>[{number}]</sup>" for number in numbers)
        parts += [
            escape(text[end : statement["start"]]),
            f'<span class="{kind}">{_words(statement)}</span>{marks}',
        ]
        end = statement["end"]
    return "".join([*parts, escape(text[end:])])


def _sources(answer: Mapping[str, Any]) -> str:
    lines = (
        f"<li value={citation['number']}><b>{escape(citation['title'] or '')}</b> "
        f"{escape(citation['text'])}</li>"
        for citation in answer["citations"]
    )
    return f"<ol>{''.join(lines)}</ol>"


def _passages(answer: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    used = set(record["at2_used"])
    found = (
        f"<details><summary>{index + 1}. {escape(passage['title'] or passage['id'] or '')} "
        f'<span class="small">{"cited" if index in used else "never used"}</span></summary>'
        f"<pre>{escape(passage['text'])}</pre></details>"
        for index, passage in enumerate(answer["passages"])
    )
    return "".join(found)
