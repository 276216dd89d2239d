"""What runs programs: policy, JIT, interpreter, maps. Takes only what was proved."""
