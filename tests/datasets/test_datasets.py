"""The paper's data sets: rows in the hub's schema, its filters, and its prompts to the letter."""

import json
import sys
from types import SimpleNamespace

import pytest
from support.nasty import questions
from support.places import DATA
from support.real_data import real_data

from at2_rag import datasets
from at2_rag.datasets import context, load, load_thoughts
from at2_rag.datasets.articles import paragraphs_and_headers
from at2_rag.datasets.registry import CONTEXT_DATASETS, NAMES, THOUGHT_DATASETS
from at2_rag.datasets.rows import Row
from at2_rag.datasets.thought import parse_agieval, parse_drop, parse_global_opinions
from at2_rag.errors import FileFormatError, InputError, MissingResourceError

HUB = DATA / "hub"


def hub_rows(name):
    lines = (HUB / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [Row(json.loads(line), name, f"train-{i}") for i, line in enumerate(lines)]


def message_of(example):
    shown = range(len(example.passages))
    return example.prompt.render(example.question, example.passages, shown)[0]


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


# --- Prompts, to the letter


def test_cnn_dailymail_prompt():
    example = context.parse_cnn_dailymail(hub_rows("cnn_dailymail")[0])
    assert example.id == "cnn_dailymail-a1"
    assert message_of(example) == (
        "Context: The ferry to Lund island ran again on Monday. Its captain said the new engine is "
        "quieter. Tickets cost as much as before.\n"
        "\n"
        "Query: Please summarize the article in up to three sentences."
    )


def test_clapnq_prompt():
    example = context.parse_clapnq(hub_rows("clapnq")[2])
    assert example.id == "clapnq-43"
    assert message_of(example) == (
        "Passages:\n"
        "\n"
        "Vell regatta\nThe Vell regatta is held each May . Eight boats row from the old pier to "
        "the lighthouse and back . It is said to be older than the town .\n"
        "\n"
        "Query: who won the boat race at vell last year"
    )
    assert context.parse_clapnq(hub_rows("clapnq")[3]) is None  # nothing to read


def test_hotpot_qa_prompt():
    example = context.parse_hotpot_qa(hub_rows("hotpot_qa")[0])
    assert example.id == "hotpot_qa-5a7a"
    assert message_of(example) == (
        "Passages:\n"
        "\n"
        "Ida Holm\nIda Holm was a painter. She lived beside the Brede.\n"
        "\n"
        "Brede\nThe Brede is a river in Norland.\n"
        "\n"
        "Holm (surname)\nHolm is a surname. It means islet.\n"
        "\n"
        "Query: In which country is the river that the painter Ida Holm lived beside?"
    )


def test_ms_marco_prompt():
    example = context.parse_ms_marco(hub_rows("ms_marco")[0])
    assert example.id == "ms_marco-1185869"
    assert [p.url for p in example.passages] == ["http://a.example/tubes", "http://a.example/dry"]
    assert message_of(example) == (
        "Passages:\n"
        "\n"
        "Glue comes in tubes.\n"
        "\n"
        "Wood glue needs about two days to dry.\n"
        "\n"
        "Query: how long does wood glue dry"
    )


def test_natural_questions_prompt():
    example = context.parse_natural_questions(hub_rows("natural_questions")[0])
    assert example.id == "natural_questions-797803103760793766"
    assert example.passages[0].url == "https://w.example/Pell"
    assert message_of(example) == (
        "Context: Pell\n"
        "Pell is a town & a harbour, founded in 1301.\n"
        "Fishing\n"
        "Pell lives from herring.\n"
        "\n"
        "Query: when was pell founded"
    )


def test_dolly_prompt():
    example = context.parse_dolly(hub_rows("dolly")[0])
    assert example.id == "dolly-train-0"
    assert message_of(example) == (
        "Context: The mill at Gorr closed in 1911 after a flood.\n\nQuery: When did the mill close?"
    )


def test_agieval_prompts():
    with_passage, without, _ = hub_rows("agieval")
    assert parse_agieval(with_passage).prompt == (
        "Passage: Every guest who came by train was late. Mara was on time.\n"
        "\n"
        "Question: Which one must be true?\n"
        "(A)Mara came by train.\n"
        "(B)Mara did not come by train.\n"
        "(C)No train came."
    )
    assert parse_agieval(without).prompt == "What is 3 times 7?\n(A)20\n(B)21"


def test_drop_prompt_is_the_same_from_either_schema():
    expected = (
        "Context: The Rams led by 3 points. Then Dole scored a 20-yard and a 35-yard goal.\n"
        "\n"
        "Query: How many goals did Dole score?"
    )
    row = hub_rows("drop")[0]
    example = parse_drop(row)
    assert example.id == "drop-f37e81fa"
    assert example.prompt == expected
    written = f"Passage: {row.text('passage')}\nQuestion: {row.text('question')}\nAnswer:"
    assert parse_drop(Row({"context": written, "completion": " 2"})).prompt == expected


def test_global_opinions_prompt_is_the_question_itself():
    example = parse_global_opinions(hub_rows("global_opinions")[0])
    assert example.prompt == "Should a town own its water works?"
    assert example.passage is None
    assert example.training_example.passages == ()


# --- Filters, at their edges


def nq_row(paragraph, start=3, **annotation):
    answer = {"long_answer": {"start_token": start}, "short_answers": [], "yes_no_answer": -1}
    return Row(
        {
            "id": "1",
            "document": {"title": "T", "url": "", "html": f"<p>{paragraph}</p>"},
            "question": {"text": "why?"},
            "annotations": [{**answer, **annotation}],
        }
    )


@pytest.mark.parametrize(("length", "kept"), [(20_000, True), (20_001, False)])
def test_natural_questions_has_at_most_20000_characters(length, kept):
    example = context.parse_natural_questions(nq_row("a" * length))
    assert (example is not None) is kept


@pytest.mark.parametrize(
    ("start", "annotation", "kept"),
    [
        (0, {}, True),
        (-1, {}, False),
        (-1, {"yes_no_answer": 0}, True),
        (-1, {"yes_no_answer": "YES"}, True),
        (-1, {"yes_no_answer": "NONE"}, False),
        (-1, {"short_answers": {"start_token": [5], "text": ["a"]}}, True),
        (-1, {"short_answers": {"start_token": [], "text": []}}, False),
    ],
)
def test_natural_questions_must_be_answered_by_the_article(start, annotation, kept):
    example = context.parse_natural_questions(nq_row("Because.", start, **annotation))
    assert (example is not None) is kept


def test_natural_questions_in_the_schema_of_the_hub():
    kept = [
        context.parse_natural_questions(row) is not None for row in hub_rows("natural_questions")
    ]
    assert kept == [True, False, True, True]


def test_one_annotator_with_an_answer_is_enough():
    row = nq_row("Because.", -1)
    row.fields["annotations"].append({**row.fields["annotations"][0], "yes_no_answer": 1})
    assert context.parse_natural_questions(row) is not None


@pytest.mark.parametrize(("length", "kept"), [(10_000, True), (10_001, False)])
def test_dolly_prompts_have_at_most_10000_characters(length, kept):
    rest = len("Context: \n\nQuery: Why?")
    row = {"instruction": "Why?", "context": "a" * (length - rest), "category": "closed_qa"}
    example = context.parse_dolly(Row(row))
    assert (example is not None) is kept
    assert not kept or len(message_of(example)) == length


def test_dolly_keeps_what_has_a_context_and_a_category_with_contexts():
    kept = [context.parse_dolly(row) is not None for row in hub_rows("dolly")]
    assert kept == [True, False, True, True, False]
    blank = {"instruction": "Why?", "context": " \n", "category": "closed_qa"}
    assert context.parse_dolly(Row(blank)) is None


def test_rows_with_nothing_to_read_or_to_ask_are_left_out():
    assert context.parse_cnn_dailymail(hub_rows("cnn_dailymail")[2]) is None
    assert context.parse_ms_marco(Row({"query": " ", "passages": [{"passage_text": "a"}]})) is None
    assert context.parse_ms_marco(Row({"query": "a", "passages": {}})) is None
    assert parse_agieval(hub_rows("agieval")[2]) is None
    assert parse_agieval(Row({"question": "Why?", "options": []})) is None
    assert parse_drop(Row({"passage": "", "question": "Why?"})) is None
    assert parse_global_opinions(Row({"question": ""})) is None


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>one<p>two", "one\ntwo"),
        ("<p>in<ul><li>not</ul>after", "in"),
        ("<div><p>in</div>after", "in"),
        ("<td><p>in</td>after<h6>head</h6>", "in\nhead"),
        ("<p> </p><h2>a\n  b</h2>", "a b"),
        ("<p>a<style>p {}</style>b<script>if (1 < 2) x()</script>c</p>", "abc"),
        ("<p>1 &lt; 2 &amp; &#51;</p>", "1 < 2 & 3"),
        ("<p>a <b>bold</b> <a href='x'>link</a>.</p>", "a bold link."),
        ("no markup", ""),
    ],
)
def test_paragraphs_and_headers(html, text):
    assert paragraphs_and_headers(html) == text


# --- Whole files


@pytest.mark.parametrize("name", NAMES)
def test_every_data_set_is_loaded_from_a_file(name):
    path = HUB / f"{name}.jsonl"
    call = load if name in CONTEXT_DATASETS else load_thoughts
    examples = call(name, path=path)
    assert len({example.id for example in examples}) == len(examples) >= 2
    assert all(example.id.startswith(f"{name}-") for example in examples)
    repository = {**CONTEXT_DATASETS, **THOUGHT_DATASETS}[name].repository
    assert call(repository, path=path) == examples


def test_real_hotpot_qa():
    path = real_data("hotpotqa_dev_100.json")
    hotpot = load("hotpot_qa", "validation", path=path, seed=None)
    assert len(hotpot) == 100
    assert hotpot[3].id == "hotpot_qa-validation-3"
    assert all(2 <= len(example.passages) <= 10 for example in hotpot)
    assert all(message_of(e).startswith("Passages:\n\n") for e in hotpot)


def test_real_drop():
    drop = load_thoughts("drop", path=real_data("drop_dev_200.jsonl"), seed=None)
    assert len(drop) == 200
    assert drop[0].question == "How many US troops were either killed or taken prisoner?"
    assert all(e.prompt.endswith(f"\n\nQuery: {e.question}") for e in drop)
    assert not any("Answer:" in e.prompt for e in drop)


def test_real_agieval():
    path = real_data("agieval_sample_120.jsonl")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    agieval = load_thoughts("agieval", path=path, seed=None)
    assert len(agieval) == len(rows) == 120
    with_passage = sum(bool(row["passage"]) for row in rows)
    assert sum(e.passage is not None for e in agieval) == with_passage > 60
    assert agieval[0].prompt.startswith("Passage: Music and literature,")
    assert all("\n(A)" in e.prompt for e in agieval)


def test_real_clapnq():
    path = real_data("clapnq_dev_answerable_100.jsonl")
    clapnq = load("clapnq", "validation", path=path, seed=None)
    assert [len(e.passages) for e in clapnq] == [1] * 100
    assert message_of(clapnq[0]).startswith("Passages:\n\nLunar phase\nThe lunar phase or phase of")


def test_thought_data_sets_as_questions_about_their_passages():
    examples = load("agieval", path=HUB / "agieval.jsonl")
    thoughts = load_thoughts("agieval", path=HUB / "agieval.jsonl")
    assert [(e.id, message_of(e)) for e in examples] == [
        (t.id, t.prompt) for t in thoughts if t.passage
    ]
    every = load("agieval", path=HUB / "agieval.jsonl", passages_needed=False)
    assert [e.id for e in every] == [t.id for t in thoughts]
    assert [e.passages for e in every] == [(t.passage,) if t.passage else () for t in thoughts]
    with pytest.raises(InputError, match="with a passage where sources are wanted"):
        load("global_opinions", path=HUB / "global_opinions.jsonl")


def test_an_example_can_be_asked(golden_reader):
    example = load("hotpot_qa", path=HUB / "hotpot_qa.jsonl", limit=1)[0]
    answer = golden_reader.answer(
        example.question, example.passages, max_new_tokens=4, **example.options
    )
    assert answer.passages == example.passages


# --- Sampling


def test_the_same_seed_gives_the_same_examples_and_a_limit_the_first_of_them(tmp_path):
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(questions(100)), encoding="utf-8")
    everything = load("hotpot_qa", path=path, seed=3)
    assert load("hotpot_qa", path=path, seed=3) == everything
    assert load("hotpot_qa", path=path, seed=3, limit=17) == everything[:17]
    other = load("hotpot_qa", path=path, seed=4)
    assert other != everything
    assert sorted(e.id for e in other) == sorted(e.id for e in everything)
    in_order = load("hotpot_qa", path=path, seed=None)
    assert [e.id for e in in_order] == [f"hotpot_qa-nasty-{i}" for i in range(100)]


def test_a_limit_counts_what_the_filters_keep():
    assert len(load("dolly", path=HUB / "dolly.jsonl", limit=3)) == 3


def test_global_opinions_trains_on_2000_and_evaluates_on_the_others(tmp_path):
    path = write_rows(tmp_path / "all.jsonl", [{"question": f"q{i}"} for i in range(2_050)])
    training = {t.question for t in load_thoughts("global_opinions", path=path, seed=1)}
    evaluation = {t.question for t in load_thoughts("global_opinions", "validation", path=path)}
    assert len(training) == 2_000
    assert len(evaluation) == 50
    assert not training & evaluation
    # The order is of the seed's making, the division is not.
    again = load_thoughts("global_opinions", path=path, seed=2, limit=500)
    assert {t.question for t in again} < training
    assert evaluation != {f"q{i}" for i in range(2_000, 2_050)}


def test_repeated_ids_are_told_apart(tmp_path):
    row = {"id": "x", "article": "Once.", "highlights": ""}
    path = write_rows(tmp_path / "two.jsonl", [row, row])
    ids = [e.id for e in load("cnn_dailymail", path=path)]
    assert ids == ["cnn_dailymail-x", "cnn_dailymail-x-2"]


# --- Bad input


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(InputError) as error:
        load("squad")
    assert "'squad'" in str(error.value)
    assert all(name in str(error.value) for name in NAMES)
    assert datasets.NAMES == NAMES
    with pytest.raises(InputError, match="for context attribution; expected one of agieval, drop"):
        load_thoughts("dolly")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "test"}, "no split 'test'; expected one of train"),
        ({"limit": 0}, "limit is 0"),
        ({"limit": 2.5}, "limit is 2.5"),
        ({"revision": "main", "config": "x"}, "config, revision given together with path"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(InputError, match=message):
        load("dolly", **{"path": HUB / "dolly.jsonl", **arguments})


@pytest.mark.parametrize(
    ("name", "row", "message"),
    [
        ("dolly", {"instruction": "a"}, r"'category' is missing; .* fields are instruction"),
        ("drop", {"passage": "a", "question": 3}, "'question' is a int; expected a string"),
        ("drop", {"context": "Once there was"}, "'context' begins with 'Once there was'"),
        ("ms_marco", {"passages": "a", "query": "b"}, "'passages' is a str; expected a list of"),
        ("ms_marco", {"passages": ["a"], "query": "b"}, "'passages' holds a str; expected rec"),
        (
            "ms_marco",
            {"passages": {"passage_text": ["a"], "url": []}, "query": "b"},
            "several lengths .passage_text 1, url 0.",
        ),
        ("ms_marco", {"passages": {"passage_text": "a"}}, "'passages.passage_text' is a str"),
        ("ms_marco", {"passages": [{"url": "a"}], "query": "b"}, "'passages.passage_text' is miss"),
        (
            "hotpot_qa",
            {"context": [{"title": "a", "sentences": [None]}], "question": "b"},
            "'context.sentences' holds null; expected strings",
        ),
        ("natural_questions", {"annotations": [], "id": "1"}, "no example of natural_questions"),
        (
            "natural_questions",
            {"annotations": [{"long_answer": {"start_token": "x"}}]},
            "start_token' is 'x'",
        ),
        (
            "natural_questions",
            {"annotations": [{"long_answer": {"start_token": 1}}], "document": {}},
            "'document.html' is missing; .* fields are none",
        ),
        ("cnn_dailymail", {"article": "\ud83d"}, "'article' holds half of a surrogate pair"),
        ("cnn_dailymail", ["a"], "the row is a list; expected a record"),
    ],
)
def test_bad_rows_are_named(tmp_path, name, row, message):
    path = write_rows(tmp_path / "rows.jsonl", [row])
    with pytest.raises(InputError, match=message) as error:
        load(name, path=path)
    assert str(path) in str(error.value)


def test_bad_lines_are_named(tmp_path):
    good = {"question": "why?", "passage": "Because."}
    path = write_rows(tmp_path / "rows.jsonl", [good, good])
    with path.open("a", encoding="utf-8") as file:
        file.write("\n{}\n")
    with pytest.raises(FileFormatError, match=r"rows\.jsonl:4: 'passage' is missing"):
        load("drop", path=path)
    # Rows that were not drawn are not looked at.
    assert len(load("drop", path=path, seed=None, limit=2)) == 2
    path.write_text('{"question": "why?"}\n{"question"\n', encoding="utf-8")
    with pytest.raises(FileFormatError, match=r"rows\.jsonl:2: malformed JSON at column"):
        load("drop", path=path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.json", b'[{"question": "a"},\n 3]', r"row 1: the row is a int"),
        ("rows.json", b"[1,\n2", r"rows\.json:2: malformed JSON"),
        ("rows.json", b"[]", "the list is empty"),
        ("rows.jsonl", b"", "the file is empty"),
        ("rows.jsonl", b'{"question": "\xff"}', r"rows\.jsonl:1: byte 0xff is not UTF-8"),
        ("rows.csv", b"question", r"ends in '\.csv'; expected \.json or \.jsonl"),
    ],
)
def test_bad_files(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=message):
        load_thoughts("global_opinions", path=path, seed=None)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileFormatError, match=r"nowhere\.jsonl: cannot be read: No such file"):
        load("drop", path=tmp_path / "nowhere.jsonl")


# --- The hub, through a stand-in for the library


class FakeStream(list):
    def shuffle(self, *, seed, buffer_size):
        assert buffer_size > 0
        return FakeStream(self[seed:] + self[:seed])


@pytest.fixture
def hub(monkeypatch):
    """A hub with the test rows; it records how it was asked."""
    calls = []

    def load_dataset(repository, config, *, split, streaming, **options):
        calls.append((repository, config, split, streaming, options))
        name = next(
            name
            for name, dataset in {**CONTEXT_DATASETS, **THOUGHT_DATASETS}.items()
            if dataset.repository == repository
        )
        rows = [row.fields for row in hub_rows(name)]
        return FakeStream(rows) if streaming else rows

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    return calls


def test_the_hub_is_asked_for_configuration_and_split(hub):
    examples = load("cnn_dailymail", "test", cache_dir="here", seed=None)
    assert hub == [("abisee/cnn_dailymail", "3.0.0", "test", False, {"cache_dir": "here"})]
    assert examples == load("cnn_dailymail", path=HUB / "cnn_dailymail.jsonl", seed=None)


def test_configurations_are_read_together(hub):
    examples = load_thoughts("agieval", revision="1e7fd18")
    assert len(hub) == 7
    assert {call[2] for call in hub} == {"test"}
    assert len(examples) == 14
    assert "agieval-lsat-rc-train-0" in {example.id for example in examples}
    hub.clear()
    load_thoughts("agieval", config="lsat-rc")
    assert [call[1] for call in hub] == ["lsat-rc"]


def test_huge_sets_are_streamed(hub):
    in_order = load("natural_questions", seed=None)
    shuffled = load("natural_questions", seed=2)
    assert [call[3] for call in hub] == [True, True]
    assert shuffled[0] == in_order[1]
    assert load("natural_questions", seed=2, limit=1) == shuffled[:1]
    hub.clear()
    assert {e.id for e in load("natural_questions", streaming=False)} == {e.id for e in in_order}
    assert hub[0][3] is False


def test_the_only_split_is_not_streamed(hub):
    with pytest.raises(InputError, match="sampled as a whole"):
        load_thoughts("global_opinions", streaming=True)
    assert len(load_thoughts("global_opinions")) == 3
    with pytest.raises(InputError, match="no example of global_opinions is left in the split 'val"):
        load_thoughts("global_opinions", "validation")
    assert [call[2] for call in hub] == ["train", "train"]


def test_bad_rows_of_the_hub_are_named(hub, monkeypatch):
    monkeypatch.setattr(
        sys.modules["datasets"], "load_dataset", lambda *_, **__: FakeStream([{"query": "a"}])
    )
    with pytest.raises(FileFormatError, match=r"microsoft/ms_marco .v2.1, train.: row 0: 'passag"):
        load("ms_marco")
    with pytest.raises(FileFormatError, match=r"ucinlp/drop .train.: row 0: 'passage' is missing"):
        load("drop")


def test_a_hub_out_of_reach(hub, monkeypatch):
    def refuse(*_, **__):
        raise ConnectionError("no route")

    monkeypatch.setattr(sys.modules["datasets"], "load_dataset", refuse)
    with pytest.raises(MissingResourceError, match=r"ucinlp/drop .train. cannot be .* no route"):
        load("drop")


def test_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ImportError, match=r'pip install "at2-rag\[datasets\]"'):
        load("drop")
    assert load("drop", path=HUB / "drop.jsonl")
