"""OTLP over gRPC: the bytes go as they are to the services' Export methods. (OTLP specification, "OTLP/gRPC")"""

from __future__ import annotations

import re
from pathlib import Path

import grpc

from exporters.otlp.answers import accepted, retry_delay, told
from exporters.otlp.outcome import Outcome, Refused, Retry
from exporters.otlp.request import Signal
from exporters.otlp.target import Target, Tls
from tracerd import __version__

METHODS: dict[Signal, str] = {
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
}

_CODE = grpc.StatusCode
RETRYABLE = frozenset({
    _CODE.CANCELLED, _CODE.DEADLINE_EXCEEDED, _CODE.ABORTED, _CODE.OUT_OF_RANGE, _CODE.UNAVAILABLE, _CODE.DATA_LOSS,
})  # fmt: skip

_DETAILS = "grpc-status-details-bin"     # a google.rpc.Status

_OPTIONS = (
    ("grpc.primary_user_agent", f"tracerd/{__version__}"),
    ("grpc.service_config_disable_resolution", 1),       # nobody's DNS tells us to retry
    ("grpc.use_local_subchannel_pool", 1),               # a new channel has not the pauses of an old one
    ("grpc.max_receive_message_length", 1 << 20),
)


class GrpcTransport:
    """One target. The channel is made by the first request, in the thread that sends. Not thread-safe."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._metadata = tuple(target.headers.items())
        self._compression = grpc.Compression.Gzip if target.compression == "gzip" else grpc.Compression.NoCompression
        self._channel: grpc.Channel | None = None

    def send(self, body: bytes) -> Outcome:
        """Send a request and read the answer. All that is wrong is in what it returns."""
        signal = self._target.signal
        try:
            self._channel = self._channel or self._opened()
            export = self._channel.unary_unary(METHODS[signal], _as_it_is, _as_it_is)
            answer = export(
                body, timeout=self._target.timeout, metadata=self._metadata, compression=self._compression
            )
            return accepted(signal, answer)
        except grpc.RpcError as error:
            return self._failed(error)
        except OSError as error:         # a certificate's file
            return Retry(told(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"))

    def close(self) -> None:
        """Close the channel. May be called twice, and is opened again by a request."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def _opened(self) -> grpc.Channel:
        if not self._target.secure:
            return grpc.insecure_channel(self._target.address, options=_OPTIONS)
        return grpc.secure_channel(self._target.address, _credentials(self._target.tls), options=_OPTIONS)

    def _failed(self, error: grpc.RpcError) -> Outcome:
        code = error.code()
        why = self._reason(code, error.details() or "")
        delay = next((retry_delay(each.value) for each in error.trailing_metadata() or ()
                      if each.key == _DETAILS and isinstance(each.value, bytes)), None)  # fmt: skip
        if code in (_CODE.UNAVAILABLE, _CODE.DEADLINE_EXCEEDED):
            self.close()                 # certificates may have been renewed: they are read again
        if code in RETRYABLE or (code is _CODE.RESOURCE_EXHAUSTED and delay is not None):
            return Retry(why, delay)
        return Refused(why)

    def _reason(self, code: grpc.StatusCode, details: str) -> str:
        if code is _CODE.DEADLINE_EXCEEDED:
            return f"no answer within {self._target.timeout:g} s"
        # What gRPC says of a connection has its own history in front.
        said = re.sub(r"^failed to connect to all addresses; last error: (UNKNOWN|UNAVAILABLE): ", "", details)
        return told(f"gRPC {code.name}{f': {said}' if said else ''}")


def _as_it_is(message: bytes) -> bytes:
    return message


def _credentials(tls: Tls) -> grpc.ChannelCredentials:
    """Read the certificates. OSError: a file cannot be read."""
    root, chain, key = (
        Path(each).read_bytes() if each else None
        for each in (tls.certificate, tls.client_certificate, tls.client_key)
    )
    return grpc.ssl_channel_credentials(root, key, chain)
