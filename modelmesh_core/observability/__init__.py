"""Events, request records and statistics, and the bounded queues that carry them to connectors."""

from .emitter import EventEmitter
from .queue import SinkQueue
from .request_log import RequestLogger
from .statistics import StatisticsCollector

__all__ = ["EventEmitter", "RequestLogger", "SinkQueue", "StatisticsCollector"]
