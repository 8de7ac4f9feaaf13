"""SmolLM2 by llama.cpp. Everything here blocks, in the worker's thread."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from modelmesh_core import Failure, FailureKind, provider_error

from .options import CHAT_MODEL, LocalOptions
from .weights import SMOLLM2, SMOLLM2_FILE, ensure

_BATCH = 64
"""Prompt tokens computed at once: between two batches, and no sooner, an abandoned request can be stopped."""


class ChatModel:
    """A loaded chat model, used by one thread."""

    def __init__(self, options: LocalOptions) -> None:
        """Fetch the weights if need be, and load them. Raises ProviderError."""
        weights = ensure(SMOLLM2, options.models_folder) / SMOLLM2_FILE
        self._max_tokens = options.max_tokens
        self._server = _load(weights, options)

    def answer(self, body: dict[str, Any], deliver: Callable[[dict[str, Any]], bool]) -> None:
        """Give ``deliver`` each chunk of the answer to ``body``, until it returns True or the answer ends.

        Raises ProviderError of kind INVALID_REQUEST for a body that the model cannot read.
        """

        def on_chunk(chunk: dict[str, Any]) -> bool:
            # Progress over the prompt comes as chunks that say nothing: they only let the answer be stopped.
            return deliver({} if "prompt_progress" in chunk else chunk)

        try:
            self._server.handle_chat_completions(self._request(body), on_chunk)
        except (TypeError, ValueError, RuntimeError) as error:
            raise provider_error(Failure(FailureKind.INVALID_REQUEST, str(error), status=400)) from error

    def _request(self, body: dict[str, Any]) -> dict[str, Any]:
        """The caller's body as llama.cpp reads it: always streamed, always with an end, and repeatable by default."""
        request = {key: value for key, value in body.items() if value is not None and key != "n_predict"}
        limit = request.pop("max_completion_tokens", request.get("max_tokens", self._max_tokens))
        return {
            "temperature": 0,
            **request,
            "model": CHAT_MODEL,
            "max_tokens": limit,
            "stream": True,
            "stream_options": {"include_usage": True},
            "return_progress": True,
        }


def _load(weights: Path, options: LocalOptions) -> Any:
    try:
        import xllamacpp
    except ImportError as error:
        message = f"xllamacpp cannot be imported: {error}. Reinstall it with `pip install xllamacpp`."
        raise provider_error(Failure(FailureKind.MODEL_NOT_FOUND, message)) from error
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(weights)
    parameters.model_alias = {CHAT_MODEL}
    parameters.n_ctx = options.context_window
    parameters.n_parallel = 1
    parameters.n_batch = parameters.n_ubatch = _BATCH
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = options.threads
    parameters.cache_ram_mib = 0  # by default finished conversations are kept in up to 8 GB of memory
    parameters.verbosity = 0
    parameters.ui = False
    # The library always opens an HTTP listener beside its Python interface. Nobody is to reach it: it wants a key that
    # nobody knows, and where there are Unix sockets it listens on one whose name is gone when it has started.
    parameters.api_keys = [secrets.token_hex()]
    with TemporaryDirectory(prefix="modelmesh-") as folder:
        if os.name == "posix":
            parameters.hostnames = [f"{folder}/unused.sock"]
        try:
            return xllamacpp.Server(parameters)
        except RuntimeError as error:
            message = f"llama.cpp could not load {weights}: {error}"
            raise provider_error(Failure(FailureKind.MODEL_NOT_FOUND, message)) from error
