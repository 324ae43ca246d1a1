"""Examples of experiments: what is trained on is never measured on."""

import pytest
from at2_rag.errors import InputError

from at2_rag_experiments.examples import examples_for


@pytest.fixture(params=["worlds", "hotpot"])
def data(request):
    return request.param if request.param == "worlds" else request.getfixturevalue(request.param)


def test_training_and_measuring_do_not_overlap(data):
    training = examples_for("training", data, 200, 0)
    measuring = examples_for("measuring", data, 200, 0)
    assert training
    assert measuring
    assert not {e.question for e in training} & {e.question for e in measuring}
    assert examples_for("measuring", data, 7, 0) == measuring[:7]
    assert examples_for("measuring", data, 7, 1) != measuring[:7]


def test_a_file_of_one_row_is_too_little(made_up, tmp_path):
    path = tmp_path / "rows.jsonl"
    row, *_ = (made_up / "hotpot_qa.jsonl").read_text(encoding="utf-8").splitlines()
    path.write_text(row, encoding="utf-8")
    with pytest.raises(InputError, match=r"holds 1 example\(s\)"):
        examples_for("training", f"hotpot_qa={path}", 3, 0)
