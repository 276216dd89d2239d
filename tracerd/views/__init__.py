"""From map bytes to what people read: BTF columns, decoders, percentiles, and the tables a probe declares. Pure."""
