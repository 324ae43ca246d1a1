"""What other libraries run a loaded model with, by the fields that their public classes have."""

from transformers import pipeline


def loaded_pipeline(reader):
    """Return a pipeline of transformers that runs a reader's model."""
    return pipeline("text-generation", model=reader.model, tokenizer=reader.tokenizer)


class HuggingFacePipeline:
    """As in langchain-huggingface 1.2."""

    def __init__(self, pipeline, model_id=None, pipeline_kwargs=None, batch_size=4):
        self.pipeline, self.pipeline_kwargs = pipeline, pipeline_kwargs
        self.model_id, self.model_kwargs, self.batch_size = model_id, None, batch_size


class ChatHuggingFace:
    """As in langchain-huggingface 1.2."""

    def __init__(self, llm, tokenizer=None, model_id=None):
        self.llm, self.tokenizer, self.model_id = llm, tokenizer, model_id
        self.model_kwargs = {}
