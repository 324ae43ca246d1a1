"""Models that say what they are told to."""

import torch
from transformers import LogitsProcessor


class Says(LogitsProcessor):
    """Has the model say a text, and then again if it is to go on."""

    def __init__(self, reader, text, again=False, before=lambda step: None):
        self.ids = reader.tokenizer(text, add_special_tokens=False)["input_ids"]
        if not again:
            self.ids.append(reader.tokenizer.eos_token_id)
        self.before, self.steps = before, 0

    def __call__(self, input_ids, scores):
        self.before(self.steps)
        forced = torch.full_like(scores, float("-inf"))
        forced[:, self.ids[self.steps % len(self.ids)]] = 0.0
        self.steps += 1
        return forced


def saying(reader, text, **options):
    """Return the options with which a reader says a text."""
    says = Says(reader, text)
    return {"logits_processor": [says], "max_new_tokens": len(says.ids), **options}
