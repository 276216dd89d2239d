"""Where events come from. Each source opens once, is pumped by one thread and counts always."""
