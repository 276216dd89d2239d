"""From a configuration of ebpf_exporter 2 to a probe.toml: YAML in, specs out, and a sentence for all that is left out.

Pure: the object's maps come in as `tracerd.views` reads them. Facts are from ebpf_exporter's README, its configuration
schema and its decoders.
"""

from __future__ import annotations

from tracerd.config.ebpf_exporter.document import Document, read_document
from tracerd.config.ebpf_exporter.metrics import Converted, convert
from tracerd.config.ebpf_exporter.write import toml_of

__all__ = ["Converted", "Document", "convert", "read_document", "toml_of"]
