"""The command line: what it answers, where it writes, and how it fails."""

import json
import re
import shutil
import subprocess
import sys

import pytest
import torch
from support.architectures import build
from support.golden import save_short_model
from support.nasty import questions
from support.pdf_files import pdf_bytes
from support.places import DATA, DEMO_MODEL, LLAMA, REPOSITORY
from typer.testing import CliRunner

from at2_rag import (
    FROM_PASSAGES,
    MULTI_PASSAGE,
    Answer,
    LinearEstimator,
    Passage,
    PromptTemplate,
    Reader,
    ScoreEstimator,
    __version__,
    inspect_attention,
)
from at2_rag.answer.shown import share
from at2_rag.cli.app import app
from at2_rag.cli.config_probe import inspect_config
from at2_rag.cli.console import harmless
from at2_rag.cli.demo import read_articles
from at2_rag.cli.render import highlighted, marked_answer, references
from at2_rag.documents.sentences import sentence_spans
from at2_rag.errors import FileFormatError
from at2_rag.methods import METHOD_NAMES
from at2_rag.worlds import generate_examples

LLAMA_MODEL = str(LLAMA / "model")
AVERAGE = ("--estimator", "average")  # which cites something whatever a model says
PUBLISHED = ("--prompt", "published")  # with which the nonsense is as these tests need it
QUESTION = "Which river does the birthplace lie on?"
COLOUR = re.compile(r"\x1b\[(?:\d+;)*[39]\dm")


def run(*args, **env):
    """Run a command as a user would, into pipes that are 80 columns wide."""
    return CliRunner(env={"COLUMNS": "80", "AT2_DEBUG": None, **env}).invoke(app, list(args))


def ask(*args, **env):
    model = ("--model", LLAMA_MODEL, "--max-new-tokens", "12")
    return run("ask", QUESTION, *model, *args, **env)


def python(*args):
    command = [sys.executable, *args]
    return subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, timeout=120)


@pytest.fixture(scope="module")
def world():
    return next(generate_examples(5, 6, hops=2))


@pytest.fixture(scope="module")
def files(world, tmp_path_factory):
    """Six passages in two files."""
    folder = tmp_path_factory.mktemp("world")
    for name, part in (("a.jsonl", world.passages[:3]), ("b.jsonl", world.passages[3:])):
        lines = (json.dumps({"text": p.text, "title": p.title}) for p in part)
        (folder / name).write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def uniform_reader(golden_llama):
    uniform = ScoreEstimator.uniform(golden_llama.model)
    return Reader(golden_llama.model, golden_llama.tokenizer, uniform, max_new_tokens=24)


@pytest.fixture(scope="module")
def estimator(golden_llama, tmp_path_factory):
    """Coefficients that are all positive, so that something is always cited."""
    shape = inspect_attention(golden_llama.model)
    count = shape.layers * shape.heads
    coefficients = torch.arange(1.0, count + 1).view(shape.layers, shape.heads) / count**2
    folder = tmp_path_factory.mktemp("estimator")
    LinearEstimator(coefficients).save(folder)
    return folder


def test_a_page_is_written_beside_what_is_printed(files, tmp_path):
    path = tmp_path / "answer.html"
    result = ask("-p", str(files), *AVERAGE, "--json", "--scores", "--verify", "--html", str(path))
    assert f"wrote {path}" in result.stderr.replace("\n", "")
    page = path.read_text(encoding="utf-8")
    told = json.loads(result.stdout)
    assert page.startswith("<!doctype html>")
    assert page.count('class="cite"') == len(told["marks"])
    assert ("<h3>Proof</h3>" in page) == ("verification" in told)


def test_a_page_needs_a_folder_before_any_model_is_loaded(files, tmp_path):
    result = run("ask", QUESTION, "-p", str(files), "--html", str(tmp_path / "no" / "a.html"))
    assert result.exit_code == 2
    assert "expected a file in a folder that exists" in " ".join(result.stderr.split())


def test_json_is_all_that_is_on_stdout_and_is_the_readers_own_answer(world, files, estimator):
    result = ask("--passages", str(files), "--estimator", str(estimator), "--json", "--scores")
    assert result.exit_code == 0
    told = [
        f"note: scored by: learned estimator {estimator}",
        "note: Supported: unknown.",
        "note: the answer was cut off",
    ]
    for line, begins in zip(result.stderr.splitlines(), told, strict=False):
        assert line.startswith(begins)
    answer = Answer.from_dict(json.loads(result.stdout))
    assert answer.citations
    for c in answer.citations:
        assert answer.passages[c.passage_index].text[c.source_start : c.source_end] == c.text
    reader = Reader.from_pretrained(LLAMA_MODEL, estimator)
    expected = reader.answer(QUESTION, world.passages, max_new_tokens=12)
    assert answer.text == expected.text
    assert [s.citations[0].text for s in answer.statements if s.citations] == [
        s.citations[0].text for s in expected.statements if s.citations
    ]
    assert [p.id for p in answer.passages][2:4] == ["a.jsonl#3", "b.jsonl#1"]


def test_json_has_places_and_shares_but_scores_only_where_asked_for(files):
    options = ("-p", str(files), "--prune-to", "3", *AVERAGE, "--json")
    plain, scored = (json.loads(ask(*options, *more).stdout) for more in ((), ("--scores",)))
    assert "attribution" not in {*plain, *plain["draft"]}
    assert len(json.dumps(plain)) < len(json.dumps(scored))
    answer = Answer.from_dict(scored)
    assert plain["citations"] == scored["citations"]
    for found, citation in zip(plain["citations"], answer.citations, strict=True):
        assert found["share"] == pytest.approx(share(answer.attribution, citation))
        assert f"{found['file']}:{found['line']}" == answer.place_of(citation)
        assert found["page"] is None


def test_answer_and_references_go_to_stdout_and_notes_to_stderr(files):
    asked = ("-p", str(files), *AVERAGE, *PUBLISHED)
    as_json = json.loads(ask(*asked, "--json").stdout)
    result = ask(*asked)
    assert result.exit_code == 0
    marked, *lines = result.stdout.strip("\n").rsplit("\n", len(as_json["citations"]))
    assert marked.strip() == as_json["marked_text"]
    assert len(lines) > 0
    for line, citation in zip(lines, as_json["citations"], strict=True):
        assert line.startswith(f"[{citation['number']}] {citation['title']}: {citation['text']} (")
        place = as_json["passages"][citation["passage_index"]]["metadata"]
        assert line.endswith(f", {place['path']}:{place['line']})")
    assert "\x1b" not in result.output
    assert all(line.startswith("note: ") for line in result.stderr.splitlines())


def test_colours_are_for_terminals_that_want_them(files):
    assert COLOUR.search(ask("-p", str(files), *AVERAGE, FORCE_COLOR="1").stdout)
    assert not COLOUR.search(ask("-p", str(files), *AVERAGE, FORCE_COLOR="1", NO_COLOR="1").stdout)


def test_files_may_follow_the_option_or_stand_alone_and_repeat(files):
    a, b = str(files / "a.jsonl"), str(files / "b.jsonl")
    for arguments in [("-p", a, b), (a, b), ("-p", a, "-p", b), (a, "--passages", b)]:
        passages = json.loads(ask(*arguments, "--json").stdout)["passages"]
        assert sorted(p["id"] for p in passages) == sorted(
            f"{name}.jsonl#{n}" for name in "ab" for n in (1, 2, 3)
        )


def test_the_best_passages_are_kept_when_there_are_more_than_asked_for(files, world):
    last = world.passages[-1]
    arguments = ("-p", str(files), "--max-passages", "1", "--json", "-m", LLAMA_MODEL)
    result = run("ask", f"Tell me of {last.title}: {last.text}", *arguments)
    assert "note: read 6 passages, kept the 1 best by BM25 of the question;" in result.stderr
    [passage] = json.loads(result.stdout)["passages"]
    assert passage["text"] == last.text


def test_files_that_are_skipped_or_guessed_are_told_and_the_rest_is_read(tmp_path):
    (tmp_path / "mills.csv").write_text("Name,Built\nBrel,1820\n", encoding="utf-8")
    (tmp_path / "scan.pdf").write_bytes(pdf_bytes([[]]))
    (tmp_path / "report.pdf").write_bytes(pdf_bytes([["The mill was built in 1820."]]))
    (tmp_path / "latin.txt").write_bytes("Die Mühle wurde 1820 gebaut.".encode("cp1252"))
    result = ask("-p", str(tmp_path), *AVERAGE, "--json")
    told = result.stderr.splitlines()
    assert told[0].startswith("note: skipped scan.pdf: has no text on its 1 page")
    assert told[1] == "note: latin.txt: is not UTF-8; read as cp1252, which is a guess"
    passages = json.loads(result.stdout)["passages"]
    assert [passage["text"] for passage in passages] == [
        "Die Mühle wurde 1820 gebaut.", "Name: Brel; Built: 1820", "The mill was built in 1820.",
    ]  # fmt: skip


def test_a_prompt_goes_by_name_or_lies_in_a_file(files, tmp_path):
    own = tmp_path / "own.txt"
    own.write_text("{question}\n\n{passages}\n", encoding="utf-8")
    asked = {
        (): MULTI_PASSAGE,
        ("--prompt", "from-passages"): FROM_PASSAGES,
        ("--prompt", str(own)): PromptTemplate("{question}\n\n{passages}"),
    }
    for arguments, expected in asked.items():
        told = json.loads(ask("-p", str(files), *AVERAGE, "--json", *arguments).stdout)
        assert PromptTemplate(**told["settings"]["prompt"]) == expected
    own.write_text("{question}", encoding="utf-8")
    for prompt, message in (
        (str(own), "holds {passages} 0 times"),
        ("paper", "--prompt is 'paper', and there is no such file; expected from-passages, pub"),
    ):
        result = ask("-p", str(files), "--prompt", prompt)
        assert result.exit_code == 2
        assert message in result.stderr


def test_pruning_says_what_it_kept(files):
    result = ask("-p", str(files), "--prune-to", "2", "--json")
    answer = json.loads(result.stdout)
    assert len(answer["kept"]) == 2
    assert len(answer["draft"]["kept"]) == 6
    names = ", ".join(answer["passages"][index]["id"] for index in answer["kept"])
    assert f"note: pruned 6 passages to the 2 that a draft used most: {names}\n" in result.stderr


def test_pruning_by_the_question_takes_no_draft(files):
    result = ask("-p", str(files), "--prune-to", "2", "--rank-by", "question", "--json")
    answer = json.loads(result.stdout)
    assert (len(answer["kept"]), answer["draft"]) == (2, None)
    names = ", ".join(answer["passages"][index]["id"] for index in answer["kept"])
    said = f"note: pruned 6 passages to the 2 that the question looks at most: {names}\n"
    assert said in result.stderr
    whole = ask("-p", str(files), "--rank-by", "question")
    assert "note: --rank-by ranks passages to prune them; without --prune-to" in whole.stderr


def test_verify_proves_what_is_cited(files, estimator):
    options = ("-p", str(files), "--estimator", str(estimator), "--verify")
    as_json = json.loads(ask(*options, "--json").stdout)
    proofs = as_json["verification"]["statements"]
    assert [(p["start"], p["end"]) for p in proofs] == [
        (s["start"], s["end"]) for s in as_json["statements"]
    ]
    for proof, statement in zip(proofs, as_json["statements"], strict=True):
        assert len(proof["alone"]) == len(statement["citations"])
    shown = ask(*options).stdout
    assert shown.count("likely without [") >= len(proofs)


def test_prove_cites_what_stands(files, estimator):
    options = ("-p", str(files), "--estimator", str(estimator), "--prove", "2", *PUBLISHED)
    answer = json.loads(ask(*options, "--json").stdout)
    assert answer["settings"]["prove"] == 2
    assert answer["citations"]
    assert all(citation["effect"] is not None for citation in answer["citations"])
    assert ask(*options).stdout.count("likely without it") == len(answer["citations"])


def test_options_reach_the_reader(files):
    options = ("--source-unit", "word", "--max-citations", "1", "--max-new-tokens", "3")
    options += ("--json", "--scores", "--system", "Be brief.")
    answer = json.loads(ask("-p", str(files), *options).stdout)
    plain = json.loads(ask("-p", str(files), "--json").stdout)
    assert answer["answer_tokens"] <= 3
    assert all(len(statement["citations"]) <= 1 for statement in answer["statements"])
    assert all(" " not in source[3] for source in answer["attribution"]["sources"])
    assert answer["prompt_tokens"] > plain["prompt_tokens"]


@pytest.fixture(scope="module")
def short_model(tmp_path_factory):
    """A model with a context of 512 tokens and without a chat template."""
    folder = tmp_path_factory.mktemp("short")
    save_short_model(folder)
    (folder / "chat_template.jinja").unlink()
    return str(folder)


def test_passages_that_do_not_fit_are_an_error_or_dropped_and_named(short_model, tmp_path):
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(questions(2)), encoding="utf-8")
    arguments = ("ask", "Who?", "-p", f"{path}#1", "-m", short_model, "--max-new-tokens", "16")
    refused = run(*arguments)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.splitlines()[-1].startswith("error: ")
    dropped = run(*arguments, "--on-overflow", "drop", "--json")
    assert dropped.exit_code == 0
    answer = json.loads(dropped.stdout)
    assert sorted(answer["kept"] + answer["dropped"]) == list(range(10))
    note = next(line for line in dropped.stderr.splitlines() if "did not fit" in line)
    assert note.endswith(", ".join(answer["passages"][i]["id"] for i in answer["dropped"]))


def test_warnings_for_users_become_notes(files, short_model):
    result = run(
        "ask", "Who?", "-p", str(files / "a.jsonl"), "-m", short_model, "--max-new-tokens", "2"
    )
    assert result.exit_code == 0
    assert "note: The tokenizer of " in result.stderr
    assert "Warning" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("-p", "gone.txt"), 2, "error: gone.txt: no such file or folder."),
        ((), 2, "error: No passages; expected --passages with a file or folder"),
        (("-p", "{files}", "--device", "toaster"), 2, "error: --device is 'toaster'"),
        (("-p", "{files}", "-m", "./gone"), 2, "error: There is nothing at './gone'"),
        (("-p", "{files}", "-m", "{files}"), 2, "error: {files} holds no model: there is no "),
        (("-p", "{files}", "-m", ""), 2, "error: There is nothing at ''"),
        (("-p", "{files}", "--device", "meta"), 2, "error: --device is 'meta'"),
        (("-p", "{files}", "--estimator", "./gone"), 2, "error: No score estimator at gone"),
        (
            ("-p", "{files}", "--estimator", str(DEMO_MODEL / "estimators/linear")),
            1,
            "error: The score estimator ",
        ),
    ],
)
def test_error_is_one_line_on_stderr_and_a_code(files, arguments, code, message):
    result = ask(*(argument.format(files=files) for argument in arguments))
    assert (result.exit_code, result.stdout) == (code, "")
    [line] = result.stderr.splitlines()  # without notes, which it makes moot
    assert line.startswith(message.format(files=files))


@pytest.mark.parametrize("command", [("ask", "Who?", "-p", "{files}", "-m"), ("info",)])
def test_a_model_that_is_neither_here_nor_to_be_asked_for_is_told_so(files, command):
    result = run(*(part.format(files=files) for part in command), "no/such-model")
    assert (result.exit_code, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()[-1:]
    assert "'no/such-model' cannot be loaded: there is no such folder" in line
    assert "HF_HUB_OFFLINE is set" in line


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("{}", "model_type"),
        ("[]", "model_type|list indices"),  # as the release of transformers has it
        ('{"model_type": "nonsense"}', "model type `nonsense`"),
    ],
)
@pytest.mark.parametrize("command", [("ask", "Who?", "-p", "{files}", "-m"), ("info",)])
def test_a_folder_that_holds_no_model_is_told_so(files, tmp_path, command, config, told):
    (tmp_path / "config.json").write_text(config, encoding="utf-8")
    result = run(*(part.format(files=files) for part in command), str(tmp_path))
    assert (result.exit_code, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    assert re.match(rf"error: The (model|configuration of) '.*' cannot be loaded: .*({told})", line)


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "probe", "-m", "demo", "--out", "{file}"),
        ("train", "probe", "-m", "demo", "--out", "{file}/in/it"),
        ("train", "fit", "{file}", "--out", "{file}"),
        ("train", "calibrate", "{file}", "{file}", "--out", "{file}"),
        ("experiment", "sampling", "--out", "{file}"),
        ("train", "fit", "{file}", "--out", "new", "--plot", "{file}/plot.png"),
    ],
)
def test_places_that_cannot_be_written_to_are_refused_before_any_work(tmp_path, arguments):
    file = tmp_path / "file"
    file.write_text("", encoding="utf-8")
    result = run(*(argument.format(file=file) for argument in arguments))
    assert (result.exit_code, result.stdout) == (2, "")
    assert re.match(rf"error: {re.escape(str(file))}.* expected a f", result.stderr)
    assert file.read_text(encoding="utf-8") == ""


def test_evaluate_lists_all_methods_and_refuses_others_before_a_model_is_loaded():
    shown = run("evaluate", "--help", COLUMNS="200").stdout
    for name in (*METHOD_NAMES, "at2+bm25"):
        assert name in shown
    for name in ("nonsense", "at2+", ","):
        result = run("evaluate", "--methods", name, "-m", "./gone")
        assert result.exit_code == 2
        assert result.stderr.startswith("error: There is no method ")


def test_with_nothing_to_prune_it_answers_and_says_so(files):
    plain = json.loads(ask("-p", str(files), "--json").stdout)
    pruned = ask("-p", str(files), "--prune-to", "99", "--json")
    assert json.loads(pruned.stdout) == plain
    assert "so nothing is pruned" in pruned.stderr.partition("note: no --model was given")[0]


def test_empty_question_is_refused_before_anything_is_read():
    result = run("ask", " ", "-p", "gone.txt")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: The question is empty")
    result = run("ask", "Who \udcff?", "-p", "gone.txt")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: question holds half of a surrogate pair")


@pytest.mark.parametrize(
    "arguments",
    [("--max-passages", "0"), ("--dtype", "int8"), ("--source-unit", "page"), ("--nonsense",)],
)
def test_option_that_cannot_be_used_is_named(files, arguments):
    result = ask("-p", str(files), *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert arguments[0] in result.stderr


def test_debug_keeps_the_traceback():
    for arguments, env in [(("--debug",), {}), ((), {"AT2_DEBUG": "1"})]:
        result = run(*arguments, "ask", "Who?", "-p", "gone.txt", **env)
        assert isinstance(result.exception, FileFormatError)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (KeyboardInterrupt(), 130, ""),
        (ZeroDivisionError("of\nnothing"), 1, "error: ZeroDivisionError: of nothing (this was not"),
        (PermissionError(13, "Permission denied", "x.txt"), 2, "error: x.txt: Permission denied."),
        (RuntimeError("CUDA out of memory."), 1, "error: There is not enough memory; expected a "),
    ],
)
def test_interrupts_and_surprises(files, monkeypatch, error, code, message):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr("at2_rag.cli.ask.load_reader", fail)
    result = ask("-p", str(files))
    assert result.exit_code == code
    assert result.stderr.startswith(message)
    assert len(result.stderr.splitlines()) == bool(message)


def test_info_tells_shape_context_and_estimator(golden_llama, tmp_path):
    model = str(tmp_path / "model")  # a name that nobody has probed yet
    shutil.copytree(LLAMA_MODEL, model)
    result = run("info", model, "--json")
    shape = inspect_attention(golden_llama.model)
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout) == {
        "model": model,
        "architecture": "LlamaForCausalLM",
        "supported": True,
        "reason": None,
        "layers": shape.layers,
        "heads": shape.heads,
        "context_length": golden_llama.model.config.max_position_embeddings,
        "estimator": None,
        "heads_found": None,
    }
    shown = run("info", model).stdout
    assert re.search(r"^supported +yes *$", shown, re.MULTILINE)
    assert re.search(rf"^layers +{shape.layers} *$", shown, re.MULTILINE)
    assert "none learned; the model is probed at first use" in shown


@pytest.mark.parametrize("name", ["bloom", "gptj", "t5", "mamba"])
def test_info_gives_the_reason_why_a_model_is_not_supported(tmp_path, name):
    from transformers import AutoConfig

    AutoConfig.for_model(name, num_hidden_layers=2).save_pretrained(tmp_path)
    result = run("info", str(tmp_path), "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["supported"], found["layers"]) == (1, False, None)
    assert result.stderr.startswith(f"error: {found['reason'][:30]}")
    assert re.search(r"^supported +no *$", run("info", str(tmp_path)).stdout, re.MULTILINE)


def test_info_on_something_that_is_no_model(tmp_path):
    assert run("info", "./gone").exit_code == 2
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    result = run("info", str(tmp_path))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"error: The configuration of '{tmp_path}' cannot be loaded: ")


@pytest.mark.parametrize(
    "name", ["llama", "phi3", "gpt2", "gpt_neox", "gemma2", "gpt_oss", "mixtral", "lfm2"]
)
def test_configuration_alone_tells_what_the_model_itself_would(name):
    model = build(name)
    assert inspect_config(model.config) == inspect_attention(model)


OWN_ESTIMATOR = "note: scored by: the demo reader's own learned estimator\n"


def test_tiny_demo_shows_the_whole_way_and_how_to_go_on():
    result = run("demo", "--tiny", "--questions", "2", "--seed", "1")
    assert (result.exit_code, result.stderr) == (0, OWN_ESTIMATOR)
    assert "knows nothing else" in result.stdout
    for title in ("Question 1 of 2 ─", "Question 2 of 2 ─", "Pruning question 2 ─"):
        assert title in result.stdout
    assert len(re.findall(r"^(✓ right|✗ wrong: it is \w.*)$", result.stdout, re.MULTILINE)) == 3
    assert re.search(r"^passages +8 → 3 +62% less *$", result.stdout, re.MULTILINE)
    assert re.search(r"^\[1\] .+ \(share \d+%, score \S+\)$", result.stdout, re.MULTILINE)
    assert "at2-rag ask " in result.stdout.splitlines()[-1]
    assert result.stdout == run("demo", "--tiny", "--questions", "2", "--seed", "1").stdout


def test_demo_reads_articles_and_ends_in_a_proof():
    """With a model that says nothing sensible, so only what must be there is looked for."""
    result = run("demo", "--model", LLAMA_MODEL, "--questions", "1")
    assert result.exit_code == 0
    assert all(line.startswith("note: ") for line in result.stderr.splitlines())
    assert " reads 12 short articles." in result.stdout
    assert "articles.jsonl" not in result.stdout
    parts = ("What was ", "Pruned to the 3 articles ", "An answer from elsewhere", "Proof: ")
    places = [result.stdout.index(f"\n{part}") for part in parts]
    assert places == sorted(places)
    assert result.stdout.count("\n→ ") == 3
    assert "at2-rag ask " in result.stdout.splitlines()[-1]


def test_where_the_demo_has_no_model_it_says_so_in_a_line_and_takes_the_tiny_reader(monkeypatch):
    monkeypatch.setattr("at2_rag.cli.demo_model.demo_file", lambda: None)
    result = run("demo", "--questions", "1")
    assert result.exit_code == 0
    why, scored = result.stderr.splitlines(keepends=True)
    assert why.startswith("note: the tiny reader answers, which knows a made-up world only: ")
    assert scored == OWN_ESTIMATOR
    assert result.stdout == run("demo", "--tiny", "--questions", "1").stdout


def test_the_demos_articles_are_a_dozen_and_its_questions_point_into_them():
    articles = {passage.id: passage for passage in read_articles()}
    assert len(articles) == 12
    for passage in articles.values():
        assert 4 <= len(sentence_spans(passage.text)) <= 8
    questions = (DATA / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(questions) >= 12
    for line in questions:
        question = json.loads(line)
        text = articles[question["article"]].text
        assert tuple(question["gold"]) in sentence_spans(text)


def test_without_a_model_the_demo_reader_answers_and_says_so(files, world):
    result = run("ask", world.question, "-p", str(files), "--max-new-tokens", "8")
    assert result.exit_code == 0
    assert result.stderr.startswith("note: no --model was given, so the demo reader answers")
    assert "--estimator" not in result.stderr


@pytest.mark.parametrize("unit", ["sentence", "word", "passage"])
def test_marks_and_highlights_leave_every_word_in_place(uniform_reader, world, unit):
    answer = uniform_reader.answer(QUESTION, world.passages, source_unit=unit)
    assert answer.citations
    assert marked_answer(answer).plain == harmless(answer.marked_text)
    assert len(references(answer).plain.splitlines()) == len(answer.citations)
    for index, passage in enumerate(answer.passages):
        cited = [c for c in answer.citations if c.passage_index == index]
        shown = highlighted(answer, index).plain
        for citation in cited:
            assert f"{citation.text}[{citation.number}]" in shown
            shown = shown.replace(f"[{citation.number}]", "")
        assert shown == f"{passage.title}: {passage.text}"


def test_passages_cannot_command_the_terminal(uniform_reader):
    passage = Passage("Red\x1b[31m.\r\nNew\x9b2J\tline.", title="A\x07\nB")
    answer = uniform_reader.answer(QUESTION, [passage], source_unit="passage")
    assert answer.citations
    shown = highlighted(answer, 0).plain
    assert shown == "A\ufffd B: Red\ufffd[31m. \nNew\ufffd2J line.[1]"
    assert references(answer).plain.startswith("[1] A\ufffd B: Red\ufffd[31m. New\ufffd2J line. (")


def test_what_claims_nothing_is_not_said_to_come_from_nowhere(uniform_reader, world):
    refused = uniform_reader.attribute(QUESTION, world.passages, "I don't know.")
    assert references(refused).plain == "It claims nothing, so there is nothing to cite."


def test_numbers_of_the_answer_and_of_its_passages_are_told_apart(uniform_reader, world):
    said = "It is a river. See [3] there. It is a river."
    own = uniform_reader.attribute(QUESTION, world.passages, said)
    assert own.citations
    for mark in own.marks:  # also where a number is written in two ways
        assert own.marked_text[mark.start : mark.end] in own.mark_of(mark.number)
    assert any(own.mark_of(mark.number) == f"[{mark.number}][^{mark.number}]" for mark in own.marks)
    for citation in own.citations:
        mark = own.mark_of(citation.number)
        assert f"{citation.text}{mark}" in highlighted(own, citation.passage_index).plain


def test_shares_are_parts_of_a_whole(uniform_reader, world):
    answer = uniform_reader.answer(QUESTION, world.passages, max_citations=100)
    for statement in answer.statements:
        shares = [share(answer.attribution, citation) for citation in statement.citations]
        assert shares == sorted(shares, reverse=True)
        assert 0 < sum(shares) <= 1 + 1e-5
    everything = answer.attribution.for_span(0, len(answer.text))
    assert share(answer.attribution, answer.citations[0]) >= 1 / len(everything)


def test_version_and_help_as_a_program():
    version = python("-m", "at2_rag.cli", "--version")
    assert (version.returncode, version.stdout) == (0, f"at2-rag {__version__}\n")
    shown = python("-m", "at2_rag.cli", "--help")
    assert shown.returncode == 0
    for words in ("demo", "ask", "info", "Examples", "-p notes/ -m", "Exit codes"):
        assert words in shown.stdout


def test_help_loads_no_model_library():
    code = "import sys, at2_rag.cli.app; print(*sys.modules)"
    loaded = set(python("-c", code).stdout.split())
    assert "typer" in loaded
    assert not loaded & {"torch", "transformers", "nltk", "numpy", "bm25s"}


@pytest.mark.parametrize("library", ["typer", "rich", "bm25s"])
def test_missing_extra_is_named(library):
    code = f"import sys; sys.modules[{library!r}] = None; from at2_rag.cli import main; main()"
    result = python("-c", code)
    assert (result.returncode, result.stdout) == (2, "")
    assert re.fullmatch(rf"error: .*{library}.* pip install \"at2-rag\[cli\]\"\n", result.stderr)
