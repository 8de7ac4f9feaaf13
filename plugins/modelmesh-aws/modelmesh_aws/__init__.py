"""``aws.bedrock.v1``: models on Amazon Bedrock, over the Converse API."""

from __future__ import annotations

from collections.abc import Iterable

from modelmesh_core import EnvironmentKey, Provider, ProviderConnector, ProviderSettings, hookimpl, read_catalogue

from .options import BedrockOptions


@hookimpl
def provider_connectors() -> Iterable[ProviderConnector]:
    yield ProviderConnector(
        id="aws.bedrock.v1",
        create=_create,
        options=BedrockOptions,
        models=lambda: read_catalogue("modelmesh_aws", "models.toml"),
        # Detection wants one variable that says that there is an account: a Bedrock key, or else the secret access
        # key, which then also stands in the option of that name, by which the connector tells the two apart.
        environment=EnvironmentKey(
            api_key=("AWS_BEARER_TOKEN_BEDROCK", "AWS_SECRET_ACCESS_KEY"),
            options={
                "base_url": "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",  # not as ``base_url``: alone, it is no account
                "access_key_id": "AWS_ACCESS_KEY_ID",
                "secret_access_key": "AWS_SECRET_ACCESS_KEY",
                "session_token": "AWS_SESSION_TOKEN",
                "region": "AWS_REGION",
                "default_region": "AWS_DEFAULT_REGION",
            },
        ),
        default_name="bedrock",
        requires_api_key=False,
        description="Amazon Bedrock: chat over the Converse API, embeddings and reranking.",
    )


def _create(settings: ProviderSettings) -> Provider:
    from .provider import BedrockProvider

    return BedrockProvider(settings)
