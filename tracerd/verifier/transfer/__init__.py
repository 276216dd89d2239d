"""What instructions do to a state. Nothing here judges: `checks` has already said that the instruction is allowed."""
