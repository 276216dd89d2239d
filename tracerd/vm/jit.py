"""LLVM: a lowered program becomes an object file, the object file becomes code in this process.

Importing this module loads LLVM, so `engine` does it only after the policy has spoken: under PR_SET_MDWE LLVM would
still return an address, and the process would die at the first call.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import itertools
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import llvmlite.binding as llvm

from tracerd.errors import RunError
from tracerd.fingerprint import fingerprint
from tracerd.native import lib
from tracerd.verifier.job import MapFacts, VerifiedProgram
from tracerd.vm.code_cache import CodeCache
from tracerd.vm.jit_lower import ENTRY, Lowered, lower
from tracerd.vm.jit_unit import MapCode, helper_symbol, make_unit, map_symbol, values_symbol
from tracerd.vm.maps import Map

C_LIBRARY = ("memcpy", "memmove", "memset", "memcmp", "bcmp")
"""What LLVM may call on its own account, having recognised a loop."""

LINKS_A_SESSION = 64
"""Programs that are linked into one LLJIT before the next is made."""


@dataclass(slots=True)
class Code:
    """Compiled code in memory. It stays while this object lives; `address` is a `tr_entry`."""

    address: int
    _tracker: llvm.ResourceTracker | None

    def close(self) -> None:
        """Release the memory. Nothing may be running in it."""
        tracker, self._tracker = self._tracker, None
        if tracker is not None:
            tracker.close()


class Compiler:
    """One target machine (0.45 ms to make) and one LLJIT after the other, used by one thread at a time."""

    def __init__(self, level: int) -> None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        self._level = level
        self._lock = threading.Lock()
        self._names = itertools.count(1)
        self._target = (
            llvm.get_default_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
        )
        # Code model "large": addresses of maps and helpers are 64-bit constants in the code, without a table between.
        self._machine = llvm.Target.from_default_triple().create_target_machine(
            cpu=self._target[1],
            features=self._target[2],
            opt=level,
            reloc="static",
            codemodel="large",
            jit=True,
        )
        self._jit = llvm.create_lljit_compiler()

    def key(self, lowered: Lowered) -> bytes | None:
        """Return a hash of all that an object file of this text depends on.

        The text is all that LLVM gets to see: the program, the facts of its proof that are relied on, the shapes and
        constants of its maps. Besides, there are the processor, LLVM, and how this module uses it. None: installed
        without sources, so that nothing tells which version of this module made an object.
        """
        try:
            module = fingerprint(__name__)
        except FileNotFoundError:
            return None
        parts = (llvm.llvm_version_info, self._target, self._level, module, lowered.text)
        return hashlib.sha256(repr(parts).encode()).digest()

    def compile(self, lowered: Lowered) -> bytes:
        """Return an object file with every address left open.

        Raises:
            RunError: LLVM refuses the module; it is our mistake, not the program's.
        """
        with self._lock, llvm.create_context() as context:       # its own: the global one keeps every constant for ever
            try:
                module = llvm.parse_assembly(lowered.text, context)
            except RuntimeError as error:
                raise RunError("jit", f"LLVM refuses the module: {error}") from error
            with module:
                self._verify(module)
                self._optimise(module)
                return bytes(self._machine.emit_object(module))

    def link(self, image: bytes, addresses: Mapping[str, int]) -> Code:
        """Load an object file into this process; `addresses` gives every symbol it leaves open.

        Raises:
            RunError: a symbol is missing.
        """
        with self._lock:
            library = llvm.JITLibraryBuilder().add_object_img(image).export_symbol(ENTRY)
            for name, address in (_c_library() | dict(addresses)).items():
                library.import_symbol(name, address)
            number = next(self._names)
            if number % LINKS_A_SESSION == 0:
                # LLVM keeps some 14 KiB of every library for as long as its session; code keeps its session alive.
                self._jit = llvm.create_lljit_compiler()
            try:
                tracker = library.link(self._jit, f"program{number}")
            except RuntimeError as error:
                raise RunError("jit", f"LLVM cannot link the program: {error}") from error
            return Code(tracker[ENTRY], tracker)

    def assembly(self, lowered: Lowered) -> str:
        """Return the optimised machine code as text, for `prog disasm` and tests."""
        with self._lock, llvm.create_context() as context, llvm.parse_assembly(lowered.text, context) as module:
            self._optimise(module)
            return str(self._machine.emit_assembly(module))

    @staticmethod
    def _verify(module: llvm.ModuleRef) -> None:
        try:
            module.verify()
        except RuntimeError as error:
            raise RunError("jit", f"LLVM refuses the module: {error}") from error

    def _optimise(self, module: llvm.ModuleRef) -> None:
        """Run LLVM's default pipeline without its vectorisers: with them a checksum took 2.4 times as long."""
        if not self._level:
            return
        options = llvm.create_pipeline_tuning_options(self._level)
        options.loop_vectorization = options.slp_vectorization = options.loop_interleaving = False
        builder = llvm.create_pass_builder(self._machine, options)
        builder.getModulePassManager().run(module, builder)


def compile_program(
    program: VerifiedProgram, maps: Sequence[Map], level: int = 2, cache: CodeCache | None = None
) -> Code:
    """Compile a proved program for its live maps, which come in the job's order and must outlive the code.

    With a `cache`, an object that was compiled from the same text for the same processor is linked instead.

    Raises:
        RunError: LLVM refuses it, which would be our mistake.
    """
    shapes = tuple(_shape(facts, live) for facts, live in zip(program.job.maps, maps, strict=True))
    lowered = lower(make_unit(program, shapes))
    backend, addresses = compiler(level), _addresses(lowered, maps)
    key = backend.key(lowered) if cache is not None else None
    if cache is None or key is None:
        return backend.link(backend.compile(lowered), addresses)
    kept = cache.get(key)
    if kept is not None:
        with contextlib.suppress(RunError):      # LLVM does not take it: compile it again
            return backend.link(kept, addresses)
    image = backend.compile(lowered)
    cache.put(key, image)
    return backend.link(image, addresses)


def _shape(facts: MapFacts, live: Map) -> MapCode:
    layout = live.layout
    return MapCode(
        kind=live.kind,
        value_size=live.value_size,
        max_entries=live.max_entries,
        stride=layout.stride,
        cpu_stride=layout.cpu_stride,
        cpus=layout.cpus,
        constant=facts.contents if facts.read_only else b"",
    )


def _addresses(lowered: Lowered, maps: Sequence[Map]) -> dict[str, int]:
    found = {}
    for number, live in enumerate(maps):
        found[map_symbol(number)] = live.address
        found[values_symbol(number)] = live.layout.values
    for name, number_or_none in lowered.helpers:
        if number_or_none is None:
            address = lib.tr_helper_address(name.encode())
        else:
            address = lib.tr_map_helper_address(maps[number_or_none].handle, name.encode())
        found[helper_symbol(name, number_or_none)] = int(address)
    return found


@cache
def compiler(level: int = 2) -> Compiler:
    """Return this process's compiler for an optimisation level (0 to 3)."""
    return Compiler(level)


@cache
def _c_library() -> dict[str, int]:
    process = ctypes.CDLL(None)
    return {name: ctypes.cast(getattr(process, name), ctypes.c_void_p).value or 0 for name in C_LIBRARY}
