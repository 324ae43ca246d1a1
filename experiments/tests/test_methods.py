"""Which methods are measured, and what the reader's own estimator is called among them."""

import pytest
from at2_rag.errors import InputError

from at2_rag_experiments.methods import has_estimator, methods_beside, methods_of, own_name

ASKED = ("random", "at2", "leave-one-out")


def names(methods):
    return [method.name for method in methods]


def test_the_own_estimator_is_called_by_what_it_is(demo_reader, probed_reader):
    assert own_name(demo_reader) == "at2"
    assert own_name(demo_reader, "shipped") == "shipped"
    assert own_name(probed_reader) == own_name(probed_reader, "shipped") == "probed"


def test_methods_by_name(demo_reader, probed_reader, plain_reader):
    assert names(methods_of(demo_reader, ASKED, 0)) == list(ASKED)
    assert names(methods_of(probed_reader, ASKED, 0)) == ["random", "probed", "leave-one-out"]
    assert names(methods_of(plain_reader, ASKED, 0)) == ["random", "leave-one-out"]
    assert not has_estimator(plain_reader)
    with pytest.raises(InputError, match="no method 'at3'"):
        methods_of(demo_reader, ["at3"], 0)


def test_methods_beside_what_was_learned(demo_reader, probed_reader, plain_reader):
    learned = {"at2 (task)": demo_reader.estimator}

    def beside(reader, unit="sentence"):
        return names(methods_beside(reader, learned, ["leave-one-out"], unit, 0))

    assert beside(demo_reader) == ["leave-one-out", "at2 (task)", "shipped"]
    assert beside(probed_reader) == ["leave-one-out", "at2 (task)", "probed"]
    assert beside(plain_reader) == ["leave-one-out", "at2 (task)"]
    assert beside(demo_reader, "token") == ["at2 (task)", "shipped"]
