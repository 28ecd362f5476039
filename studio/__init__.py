"""A web studio for fine-tuning language models without code."""

__version__ = "0.1.0"
