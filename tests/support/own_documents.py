"""Documents about made-up worlds, and who asks the demo reader about them."""

from random import Random

from at2_rag import Passage
from at2_rag.worlds import generate_world


def world_documents(count, passages=5, seed=0):
    """Return the passages of so many worlds, each a document, and questions by their titles."""
    rng = Random(seed)
    found, questions = [], {}
    for number in range(count):
        world = generate_world(rng, passages, 1)
        for place, passage in enumerate(world.passages):
            path = f"world-{number}.md"
            found.append(
                Passage(passage.text, passage.title, f"{path}#{place}", metadata={"path": path})
            )
        for example in world.questions(1, rng):
            (place, _), *_ = example.supporting_sentences
            questions.setdefault(world.passages[place].title, []).append(example.question)
    return found, questions


def asker_of(questions):
    """Return a writer that asks what the demo reader was taught to answer.

    It knows no other questions, and writes none itself.
    """

    def write(topic, shown):
        known = questions.get(shown[0].title) or ["It asks nothing."]
        return known[topic.number % len(known)]

    return write
