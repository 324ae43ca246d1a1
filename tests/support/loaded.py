"""What other libraries run a loaded model with, by the fields that their public classes have."""

from transformers import pipeline


def loaded_pipeline(model, tokenizer):
    return pipeline("text-generation", model=model, tokenizer=tokenizer)


class HuggingFacePipeline:
    """As in langchain-huggingface 1.2."""

    def __init__(self, pipeline, model_id=None, pipeline_kwargs=None, batch_size=4):
        self.pipeline, self.pipeline_kwargs = pipeline, pipeline_kwargs
        self.model_id, self.model_kwargs, self.batch_size = model_id, None, batch_size


class ChatHuggingFace:
    """As in langchain-huggingface 1.2: with a tokenizer of its own, which it loads by name."""

    def __init__(self, llm, tokenizer=None, model_id=None):
        self.llm, self.tokenizer, self.model_id = llm, tokenizer, model_id
        self.model_kwargs = {}


class HuggingFaceEndpoint:
    """As in langchain-huggingface 1.2: what asks a server, where ``model`` is a name."""

    def __init__(self, model):
        self.model = self.repo_id = model
        self.client = self.async_client = None


class HuggingFaceLLM:
    """As in llama-index-llms-huggingface 0.8."""

    def __init__(self, model, tokenizer, model_name="a model"):
        self.model_name = self.tokenizer_name = model_name
        self.context_window, self.max_new_tokens = 3900, 256
        self._model, self._tokenizer, self._stopping_criteria = model, tokenizer, []
