"""Signature Version 4 against the vectors that AWS publishes, and against AWS's own implementation."""

from types import SimpleNamespace
from urllib.parse import quote

import pytest
from modelmesh_aws.signing import Credentials, signed_headers
from modelmesh_core import Operation, Secret

SECRET = Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
CREDENTIALS = Credentials(Secret("AKIDEXAMPLE"), SECRET)
MOMENT = 1_440_938_160.0
"""2015-08-30 12:36:00 UTC, at which AWS's vectors are signed."""
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
VECTORS = {
    "get-vanilla": ("GET", "/", {}, b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    "get-vanilla-query-order-key-case": (
        "GET",
        "/?Param2=value2&Param1=value1",
        {},
        b"",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    "post-vanilla": ("POST", "/", {}, b"", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    "post-header-key-sort": (
        "POST",
        "/",
        {"My-Header1": "value1"},
        b"",
        "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
    ),
    "get-header-value-trim": (
        "GET",
        "/",
        {"My-Header1": " value1", "My-Header2": ' "a   b   c"'},
        b"",
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    ),
    "post-x-www-form-urlencoded": (
        "POST",
        "/",
        FORM,
        b"Param1=value1",
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_signature_is_that_of_the_published_test_suite(name):
    method, path, headers, body, signature = VECTORS[name]
    signed = signed_headers(
        method,
        f"https://example.amazonaws.com{path}",
        headers,
        body,
        CREDENTIALS,
        region="us-east-1",
        service="service",
        now=MOMENT,
    )
    assert signed["x-amz-date"] == "20150830T123600Z"
    assert signed["authorization"].endswith(f"Signature={signature}")
    assert "Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, " in signed["authorization"]


def test_signature_is_that_of_the_documented_list_users_request():
    signed = signed_headers(
        "GET",
        "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
        {"content-type": "application/x-www-form-urlencoded; charset=utf-8"},
        b"",
        CREDENTIALS,
        region="us-east-1",
        service="iam",
        now=MOMENT,
    )
    assert signed["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, "
        "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    )


@pytest.mark.parametrize("token", [None, "AQoDYXdzEPT//////////wEXAMPLE=="])
@pytest.mark.parametrize(
    "model",
    [
        "us.anthropic.claude-haiku-4-5-20251001-v1:0",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-haiku-4-5-20251001-v1:0",
    ],
)
@pytest.mark.parametrize("host", ["https://bedrock-runtime.us-east-1.amazonaws.com", "http://localhost:4566"])
def test_signature_is_that_of_botocore(model, token, host):
    auth = pytest.importorskip("botocore.auth", reason="compares with botocore, which is not installed")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials as BotoCredentials

    url = f"{host}/model/{quote(model, safe='')}/converse"
    own = {"content-type": "application/json", "accept": "application/json"}
    credentials = Credentials(CREDENTIALS.access_key_id, SECRET, Secret(token) if token else None)
    signed = signed_headers(
        "POST", url, own, b'{"a":1}', credentials, region="us-east-1", service="bedrock", now=MOMENT
    )

    request = AWSRequest("POST", url, data=b'{"a":1}', headers=own)
    boto = auth.SigV4Auth(BotoCredentials("AKIDEXAMPLE", SECRET.reveal(), token), "bedrock", "us-east-1")
    request.context["timestamp"] = "20150830T123600Z"
    request.headers["X-Amz-Date"] = "20150830T123600Z"
    if token:
        request.headers["X-Amz-Security-Token"] = token
    canonical = boto.canonical_request(request)
    expected = boto.signature(boto.string_to_sign(request, canonical), request)
    assert signed["authorization"].endswith(f"Signature={expected}")


def test_model_id_is_encoded_in_the_address(provider, make_call):
    request = next(provider.execute(make_call(model="arn:aws:bedrock:eu-west-1:1:inference-profile/x.y-v1:0")))
    assert request.url == (
        "https://bedrock-runtime.eu-west-1.amazonaws.com"
        "/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Ainference-profile%2Fx.y-v1%3A0/converse"
    )
    assert request.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/eu-west-1/")


def test_moment_of_the_signature_is_that_of_sending(provider, make_call):
    assert next(provider.execute(make_call()))
    later = SimpleNamespace(now=MOMENT)
    from modelmesh_aws.options import BedrockOptions
    from modelmesh_aws.provider import BedrockProvider
    from modelmesh_core import ProviderSettings

    options = BedrockOptions(Secret("AKIDEXAMPLE"), SECRET)
    own = BedrockProvider(ProviderSettings("b", options=options), now=lambda: later.now)
    flow = own.execute(make_call(model="amazon.titan-embed-text-v1", operation=Operation.EMBEDDINGS, input="a"))
    later.now += 86_400
    assert next(flow).headers["x-amz-date"] == "20150831T123600Z"


def test_bearer_token_is_sent_in_place_of_a_signature(make_provider, make_call):
    headers = next(make_provider("bedrock-api-key-abc").execute(make_call())).headers
    assert headers["authorization"] == "Bearer bedrock-api-key-abc"
    assert "x-amz-date" not in headers


def test_headers_of_the_configuration_are_not_signed(make_provider, make_call):
    headers = next(make_provider(headers={"X-Proxy": Secret("p")}).execute(make_call())).headers
    assert headers["x-proxy"] == "p"
    assert "SignedHeaders=accept;content-type;host;x-amz-date," in headers["authorization"]
