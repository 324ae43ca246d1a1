"""Tables are whole in a pipe, and come in parts where a terminal is too narrow."""

import pytest
from rich.console import Console
from rich.table import Table

from at2_rag.cli.console import show
from at2_rag.cli.tables import lines_of, parts_of


@pytest.fixture
def wide():
    table = Table(title="What was measured", caption="Of " + 30 * "many words ")
    table.add_column("method")
    for number in range(9):
        table.add_column(f"measure {number}\n(nats)", justify="right")
    for name in ("average-attention", "bm25-with-question"):
        table.add_row(name, *(f"{number}2.75 ± 2.32" for number in range(9)))
    return table


def test_a_pipe_has_every_cell_whole_and_paragraphs_in_a_line(wide, capsys):
    show(wide)
    title, *rows, caption = capsys.readouterr().out.splitlines()
    assert title == "What was measured"
    assert caption.split() == ["Of", *(30 * ["many", "words"])]
    assert len(rows) == 7  # three of frames, two of headers, two of methods
    assert all(f"{number}2.75 ± 2.32" in rows[-2] for number in range(9))
    assert all(row == row.rstrip() for row in rows)
    assert max(map(len, rows)) > 80


@pytest.mark.parametrize("width", [50, 80, 120, 300])
def test_a_terminal_has_all_columns_each_once_with_the_first_beside_them(wide, width):
    console = Console(width=width)
    parts = list(parts_of(wide, console))
    headers = [[str(column.header) for column in part.columns] for part in parts]
    assert [name for part in headers for name in part[1:]] == [
        str(column.header) for column in wide.columns[1:]
    ]
    assert all(part[0] == "method" for part in headers)
    for part in parts:
        assert max(map(len, lines_of(part, console))) <= width or len(part.columns) == 2
    assert (len(parts) == 1) == (width == 300)
