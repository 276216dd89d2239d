"""BTF: the types a program was compiled with, their layout. Pure."""
