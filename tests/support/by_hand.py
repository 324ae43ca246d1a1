"""What the library computes in its own ways, computed the plain way."""

import torch


def log_probabilities_by_hand(model, ids, prompt_length):
    """Return the log-probability of each token of an answer, from all logits of a plain pass."""
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0, prompt_length - 1 : -1]
    wanted = torch.tensor(ids[prompt_length:])[:, None]
    return logits.double().log_softmax(-1).gather(-1, wanted)[:, 0]
