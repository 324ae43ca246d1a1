"""What the library computes in its own ways, computed the plain way."""

import math

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
    mask = torch.zeros(2, tokens, tokens, dtype=task.model.dtype)
    mask.masked_fill_(torch.stack([later, hidden]), torch.finfo(mask.dtype).min)
    return said_with_mask(task, mask)


def faded_by_hand(task, shares):
    """Return (targets,): log-probabilities where what is behind sources pays them shares."""
    tokens = len(task.ids) - 1
    mask = torch.zeros(tokens, tokens, dtype=task.model.dtype)
    for share, (start, end) in zip(shares, task.sources, strict=True):
        mask[task.behind_sources :, start:end] = math.log(share)
    mask = mask.masked_fill(torch.ones(tokens, tokens).triu(1).bool(), float("-inf"))
    log_p = said_with_mask(task, mask[None])[0]
    return torch.stack([log_p[start:end].sum() for start, end in task.targets])


def said_with_mask(task, mask):
    """Return (texts, answer tokens): log-probabilities where masks are added to attention's logits.

    In whole passes. Where layers look less far back, so do they here.

    Args:
        task: The answer.
        mask: (texts, tokens, tokens): what is added, minus infinity or so at all that comes later.
    """
    with torch.no_grad():
        ids = torch.tensor([task.ids[:-1]] * len(mask))
        masks = masks_by_kind(task.model, mask[:, None])
        logits = task.model(input_ids=ids, attention_mask=masks, use_cache=False).logits
    said = torch.tensor(task.ids[task.prompt_length :])
    return logits[:, task.first_row :].double().log_softmax(-1)[:, torch.arange(len(said)), said]


def masks_by_kind(model, mask):
    """Return a mask for each kind of layer that a model has, each token by itself."""
    config = model.config
    window, chunk = (
        getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size")
    )
    sliding, chunked = mask.clone(), mask.clone()
    for row in range(mask.shape[-1]):
        if window:
            sliding[..., row, : max(row - window + 1, 0)] = torch.finfo(mask.dtype).min
        if chunk:
            chunked[..., row, : row - row % chunk] = torch.finfo(mask.dtype).min
    kinds = getattr(config, "layer_types", None)
    if not kinds:
        return sliding
    own = {"full_attention": mask, "sliding_attention": sliding, "chunked_attention": chunked}
    return own if len(set(kinds)) > 1 else own[kinds[0]]
