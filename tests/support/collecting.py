"""Runs of collecting that take a moment."""

from dataclasses import replace

from at2_rag.training import collect, world_examples

ANSWER = "The old mill was built in a town. It lies on the river."


def make_examples(count=5):
    """Short ones with given answers, so that each takes a few hundredths of a second."""
    return [
        replace(example, answer=ANSWER) for example in world_examples(0, count, num_passages=(2, 3))
    ]


def run(reader, out, examples=None, **options):
    options = {"num_ablations": 4, "source_unit": "sentence", **options}
    return collect(reader, make_examples() if examples is None else examples, out, **options)
