"""Event layouts and names: tracefs formats, ETW providers. Parsing and data, no live things."""
