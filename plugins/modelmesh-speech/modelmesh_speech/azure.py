"""Azure AI Speech: SSML in, sound out."""

from __future__ import annotations

import re
from collections.abc import Generator
from xml.sax.saxutils import escape, quoteattr

from modelmesh_core import (
    Flow,
    HttpRequest,
    HttpResponse,
    Operation,
    ProviderCall,
    ProviderSettings,
    VendorProvider,
    as_text,
    drop_unknown,
)

from . import speech
from .options import AzureSpeechOptions

_FORMATS = {
    "mp3": "audio-24khz-96kbitrate-mono-mp3",
    "opus": "ogg-24khz-16bit-mono-opus",
    "wav": "riff-24khz-16bit-mono-pcm",
    "pcm": "raw-24khz-16bit-mono-pcm",
}
_LOCALE = re.compile(r"[a-z]{2,3}(?:-[A-Z][a-z]{3})?-[A-Z]{2,3}(?=-)")
_VOICE = re.compile(r"[a-z]{2,3}(?:-[A-Z][a-z]{3})?-[A-Z]{2,3}(?:-[\w]+)*-[\w:]+", re.ASCII)
_SHARED_VOICES = frozenset({"alloy", "echo", "fable", "nova", "onyx", "shimmer"})
"""OpenAI's voices that Azure has among its own."""
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_COUNTED_TWICE = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
"""Han characters, in whatever language, are billed as two."""


class AzureSpeech(VendorProvider):
    """``azure.tts.v1``."""

    title = "Azure AI Speech"
    operations = frozenset({Operation.SPEECH})

    def __init__(self, settings: ProviderSettings) -> None:
        """Raises ValueError if neither a region nor a base URL says where the Speech resource is."""
        given = settings.options
        self._options = given if isinstance(given, AzureSpeechOptions) else AzureSpeechOptions()
        if not (self._options.region or settings.base_url):
            raise ValueError(f"providers.{settings.name}.region is missing: the region of the Speech resource")
        super().__init__(settings, f"https://{self._options.region}.tts.speech.microsoft.com")

    def key_header(self, key: str) -> dict[str, str]:
        return {"ocp-apim-subscription-key": key}

    def execute(self, call: ProviderCall) -> Flow:
        if call.operation is not Operation.SPEECH:
            raise self.unable(call)
        text = speech.text_of(call)
        drop_unknown(call, speech.KNOWN)
        if call.body.get("instructions"):
            call.drop("instructions", "Azure's voices take none")
        sound = speech.format_of(call, frozenset(_FORMATS))
        content = ssml(text, self._voice(call), speech.speed_of(call, 0.5, 2.0)).encode()
        headers = {
            "content-type": "application/ssml+xml",
            "x-microsoft-outputformat": _FORMATS[sound],
            "user-agent": "modelmesh",
        }
        request = self.request("POST", "/cognitiveservices/v1", content=content, headers=headers)
        response = yield from self.ask(request)
        return speech.spoken(self, call, response, sound, len(text) + len(_COUNTED_TWICE.findall(text)))

    def check_health(self) -> Generator[HttpRequest, HttpResponse, None]:
        """Lists the voices."""
        yield from self.ask(self.request("GET", "/cognitiveservices/voices/list"))

    def _voice(self, call: ProviderCall) -> str:
        wanted = speech.voice_of(call)
        mapped = self._options.voices.get(wanted, wanted)
        if _VOICE.fullmatch(mapped):
            return mapped
        if mapped in _SHARED_VOICES:
            kind = "MultilingualNeuralHD" if call.upstream_model.endswith("hd") else "TurboMultilingualNeural"
            return f"en-US-{mapped.capitalize()}{kind}"
        if wanted:
            call.drop("voice", "Azure has no voice of this name; the option voices can say who speaks for it")
        own = as_text(call.upstream_model)
        return own if _VOICE.fullmatch(own) else self._options.default_voice


def ssml(text: str, voice: str, speed: float = 1.0) -> str:
    """``text`` as Azure wants it. Whatever it holds stays text; what XML cannot hold is left out."""
    said = escape(_NOT_XML.sub("", text))
    if speed != 1:
        said = f'<prosody rate="{speed:g}">{said}</prosody>'
    locale = _LOCALE.match(voice)
    language = quoteattr(locale[0] if locale else "en-US")
    return (
        f'<speak version="1.0" xmlns="http://www.w3.org/2001/10/synthesis" xml:lang={language}>'
        f"<voice name={quoteattr(voice)}>{said}</voice></speak>"
    )
