"""What the library computes in its own ways, computed the plain way."""

import torch

from at2_rag.ablation.masking import answer_token_logits


def log_probabilities_by_hand(model, ids, prompt_length):
    """Return the log-probability of each token of an answer, from all logits of a plain pass."""
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0, prompt_length - 1 : -1]
    wanted = torch.tensor(ids[prompt_length:])[:, None]
    return logits.double().log_softmax(-1).gather(-1, wanted)[:, 0]


def masked_by_hand(model, ids, prompt_length, sources, masks):
    """Return logits of an answer's tokens, of whole texts with masked sources."""
    visible = torch.ones(len(masks), len(ids) - 1, dtype=torch.long)
    for (start, end), column in zip(sources, masks.T, strict=True):
        visible[:, start:end] *= column.long()[:, None]
    tokens = torch.tensor(ids[:-1]).expand(len(masks), -1)
    positions = torch.arange(len(ids) - 1).expand(len(masks), -1)
    with torch.inference_mode():
        return answer_token_logits(model, tokens, visible, positions, ids[prompt_length:])


def hidden_behind_sources(task, sources):
    """Return (2, answer tokens): log-probabilities beside all sources, and with some hidden.

    In whole passes, with a mask that hides them from what is behind all sources of the prompt.
    """
    tokens = len(task.ids) - 1
    later = torch.ones(tokens, tokens).triu(1).bool()
    hidden, end = later.clone(), max(end for _, end in task.sources)
    for start, stop in sources:
        hidden[min(end, task.first_row) :, start:stop] = True
    mask = torch.zeros(2, 1, tokens, tokens, dtype=task.model.dtype)
    mask.masked_fill_(torch.stack([later, hidden])[:, None], torch.finfo(mask.dtype).min)
    with torch.no_grad():
        ids = torch.tensor([task.ids[:-1]] * 2)
        logits = task.model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    said = torch.tensor(task.ids[task.prompt_length :])
    return logits[:, task.first_row :].double().log_softmax(-1)[:, torch.arange(len(said)), said]
