"""What vendors' own error codes mean, where there are several of them."""

from __future__ import annotations

from modelmesh_core import FailureKind

CLOUDFLARE = {
    "3036": FailureKind.QUOTA,
    "3040": FailureKind.RATE_LIMIT,
    "3046": FailureKind.SERVER,
    "5007": FailureKind.MODEL_NOT_FOUND,
    "5021": FailureKind.CONTEXT_LENGTH,
    "7000": FailureKind.MODEL_NOT_FOUND,
    "7003": FailureKind.MODEL_NOT_FOUND,
    "10000": FailureKind.AUTHENTICATION,
}

AZURE = {
    "unavailable_model": FailureKind.MODEL_NOT_FOUND,
    "unknown_model": FailureKind.MODEL_NOT_FOUND,
    "ratelimitreached": FailureKind.RATE_LIMIT,
    "nocapacity": FailureKind.RATE_LIMIT,
    "tokens_limit_reached": FailureKind.CONTEXT_LENGTH,
}

MOONSHOT = {
    "exceeded_current_quota_error": FailureKind.QUOTA,
    "engine_overloaded_error": FailureKind.RATE_LIMIT,
    "resource_not_found_error": FailureKind.MODEL_NOT_FOUND,
    "content_filter": FailureKind.CONTENT_FILTER,
}

ZAI = {
    "1112": FailureKind.AUTHENTICATION,
    "1113": FailureKind.QUOTA,
    "1211": FailureKind.MODEL_NOT_FOUND,
    "1234": FailureKind.SERVER,
    "1261": FailureKind.CONTEXT_LENGTH,
    "1301": FailureKind.CONTENT_FILTER,
    "1302": FailureKind.RATE_LIMIT,
    "1303": FailureKind.RATE_LIMIT,
    "1304": FailureKind.QUOTA,
    "1305": FailureKind.RATE_LIMIT,
    "1308": FailureKind.QUOTA,
    "1309": FailureKind.QUOTA,
}
