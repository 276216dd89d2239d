"""Object file in, frozen Specs out: programs, maps, relocations, source lines. Pure; only here pyelftools is known."""
