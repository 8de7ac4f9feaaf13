"""What ``client.files`` and ``client.batches`` return."""

from __future__ import annotations

from collections.abc import Iterator

from .objects import Answer, OpenAIObject


class StoredFile(OpenAIObject):
    id: str
    object: str
    bytes: int
    created_at: int
    filename: str
    purpose: str
    status: str | None
    expires_at: int | None


class FileObject(Answer):
    """A file that a provider keeps. ``modelmesh.provider`` says which."""

    id: str
    object: str
    bytes: int
    created_at: int
    filename: str
    purpose: str
    status: str | None
    expires_at: int | None


class FileDeleted(Answer):
    """That a file is gone."""

    id: str
    object: str
    deleted: bool


class FilePage(Answer):
    """A page of files. Where ``has_more``, the next begins ``after`` the last of them."""

    data: list[StoredFile]
    has_more: bool | None
    first_id: str | None
    last_id: str | None
    _parts = {"data": StoredFile}

    def __iter__(self) -> Iterator[StoredFile]:
        return iter(self.data)


class StoredBatch(OpenAIObject):
    id: str
    object: str
    endpoint: str
    status: str
    input_file_id: str
    output_file_id: str | None
    error_file_id: str | None
    completion_window: str
    created_at: int
    request_counts: OpenAIObject | None
    errors: OpenAIObject | None
    metadata: OpenAIObject | None


class Batch(Answer):
    """A batch at a provider. ``modelmesh.provider`` says which."""

    id: str
    object: str
    endpoint: str
    status: str
    input_file_id: str
    output_file_id: str | None
    error_file_id: str | None
    completion_window: str
    created_at: int
    request_counts: OpenAIObject | None
    errors: OpenAIObject | None
    metadata: OpenAIObject | None


class BatchPage(Answer):
    """A page of batches. Where ``has_more``, the next begins ``after`` the last of them."""

    data: list[StoredBatch]
    has_more: bool | None
    first_id: str | None
    last_id: str | None
    _parts = {"data": StoredBatch}

    def __iter__(self) -> Iterator[StoredBatch]:
        return iter(self.data)
