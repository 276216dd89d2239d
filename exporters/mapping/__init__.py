"""From what was collected to what is exported: maps become metrics, records become log records and spans.

Formats and the way out are others' work (`exporters.otlp`, `exporters.prometheus`): here series are found, followed and
ended, and their values are put into the units they are told in.
"""
