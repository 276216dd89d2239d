"""Ready-made probes: data only. Each folder holds a probe.toml, its C source, the compiled object and a README."""
