"""Make a proved program ready for the precompiled interpreter: link it, decode it once, hand out its entry.

The interpreter serves where code integrity forbids compiling, and elsewhere until the compiler is done. Its checked
build, for tests and fuzzing, watches every access of a program that was proved safe.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tracerd.errors import RunError
from tracerd.isa.decode import decode
from tracerd.isa.instruction import CALL, CALL_HELPER, JMP
from tracerd.native import ffi, lib
from tracerd.platforms import PLATFORMS
from tracerd.platforms.model import Argument, Helper
from tracerd.verifier.job import VerifiedProgram
from tracerd.vm.linking import link
from tracerd.vm.maps import Map, native_text

DEFAULT_FUEL = 1 << 20
"""Back-edges a run may take where termination was not proved: a few milliseconds."""

ARGUMENT_CODES = {
    Argument.ANYTHING: lib.TR_ARG_ANYTHING,
    Argument.PRINTED: lib.TR_ARG_PRINTED,
    Argument.MAP: lib.TR_ARG_MAP,
    Argument.RINGBUF: lib.TR_ARG_RINGBUF,
    Argument.MAP_KEY: lib.TR_ARG_MAP_KEY,
    Argument.MAP_VALUE: lib.TR_ARG_MAP_VALUE,
    Argument.READABLE: lib.TR_ARG_READABLE,
    Argument.READABLE_OR_NULL: lib.TR_ARG_READABLE_OR_NULL,
    Argument.WRITABLE: lib.TR_ARG_WRITABLE,
    Argument.TARGET: lib.TR_ARG_TARGET,
    Argument.CHANGED: lib.TR_ARG_CHANGED,
    Argument.SIZE: lib.TR_ARG_SIZE,
    Argument.SIZE_OR_ZERO: lib.TR_ARG_SIZE_OR_ZERO,
    Argument.CONSTANT_SIZE: lib.TR_ARG_CONSTANT_SIZE,
    Argument.RING_RECORD: lib.TR_ARG_RING_RECORD,
    Argument.CONTEXT: lib.TR_ARG_CONTEXT,
}
"""What a helper wants, as the checked interpreter knows it."""

_ERROR_SIZE = 256


class Image:
    """Decoded code. `native` is the `struct tr_image *`, `entry` what `tr_program_set_entry` takes with it."""

    def __init__(
        self,
        name: str,
        code: bytes,
        helpers: Sequence[Helper] = (),
        *,
        fuel_edges: Sequence[int] = (),
        sites: Mapping[int, tuple[str, Map]] | None = None,
        checked: bool = False,
    ) -> None:
        """Decode linked code. `sites` binds the helper call at an instruction to (helper name, its one map).

        Raises:
            RunError: the code is not a program the interpreter can run.
        """
        error = ffi.new("char[]", _ERROR_SIZE)
        table = _helper_table(helpers)
        edges = ffi.new("uint32_t[]", sorted(fuel_edges))
        bound = _site_table(sites or {})
        options: Any = ffi.new("struct tr_image_options *")
        options.helpers, options.helper_count = table, len(table)
        options.sites, options.site_count = bound, len(bound)
        options.fuel_edges, options.fuel_edge_count = edges, len(edges)
        options.checked = checked
        self.native: Any = lib.tr_image_new(code, len(code) // 8, options, error, _ERROR_SIZE)
        if not self.native:
            raise RunError(name, native_text(error))
        self.entry: Any = ffi.addressof(lib, "tr_interpret_checked" if checked else "tr_interpret")

    def close(self) -> None:
        """Free the image; no run may be inside it. May be called twice."""
        if self.native:
            lib.tr_image_free(self.native)
            self.native = ffi.NULL


def prepare_image(program: VerifiedProgram, maps: Sequence[Map], *, checked: bool = False) -> Image:
    """Link and decode a proved program. `maps` are the job's, in its order, and must outlive the image.

    Raises:
        RunError: the program cannot be linked or decoded.
    """
    certificate = program.certificate
    helpers = PLATFORMS[program.job.platform].helpers_by_type[program.job.type]
    code = link(program, lambda index: maps[index].address, lambda index: maps[index].layout.values)
    sites = {}
    for index, instruction in enumerate(decode(program.job.code)):
        is_helper = instruction.opcode == JMP | CALL and instruction.src == CALL_HELPER
        if is_helper and index in certificate.call_maps:
            sites[index] = (helpers[instruction.imm].name, maps[certificate.call_maps[index]])
    return Image(
        program.job.program,
        code,
        tuple(helpers.values()),
        fuel_edges=() if certificate.terminates else certificate.fuel_edges,
        sites=sites,
        checked=checked,
    )


class Interpreter:
    """A program that the interpreter runs: `native` is its `struct tr_program *`."""

    def __init__(
        self, program: VerifiedProgram, maps: Sequence[Map], *, fuel: int = DEFAULT_FUEL, checked: bool = False
    ) -> None:
        """Make the program ready to run.

        Raises:
            RunError: the program cannot be linked or decoded, or there is no memory.
        """
        self._image = prepare_image(program, maps, checked=checked)
        self.native: Any = lib.tr_program_new()
        if not self.native:
            self._image.close()
            raise RunError(program.job.program, "no memory for a program")
        self.native.fuel = fuel
        lib.tr_program_set_entry(self.native, self._image.entry, self._image.native)

    def close(self) -> None:
        """Free the program; nothing may run it any more. May be called twice."""
        if self.native:
            lib.tr_program_free(self.native)
            self.native = ffi.NULL
        self._image.close()


def _helper_table(helpers: Sequence[Helper]) -> Any:
    table = ffi.new("struct tr_image_helper[]", len(helpers))
    for row, helper in zip(table, helpers, strict=True):
        kinds = [ARGUMENT_CODES[argument] for argument in helper.arguments]
        row.id = helper.id
        row.address = lib.tr_helper_address(helper.name.encode())
        row.arguments = (kinds + [lib.TR_ARG_NONE] * 8)[:8]
    return table


def _site_table(sites: Mapping[int, tuple[str, Map]]) -> Any:
    table = ffi.new("struct tr_image_site[]", len(sites))
    for row, (instruction, (helper, only)) in zip(table, sorted(sites.items(), key=lambda each: each[0]), strict=True):
        row.slot = instruction
        row.address = lib.tr_map_helper_address(only.handle, helper.encode())
    return table
