"""The shape of the platform tables: the verifier, the engines and `tracerd list helpers` read the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, unique


@unique
class MapKind(Enum):
    """Map kinds the core knows. The values are Linux's numbers (enum bpf_map_type), used on the native border too."""

    HASH = 1
    ARRAY = 2
    PERCPU_HASH = 5
    PERCPU_ARRAY = 6
    RINGBUF = 27

    @property
    def per_cpu(self) -> bool:
        return self in (MapKind.PERCPU_HASH, MapKind.PERCPU_ARRAY)

    @property
    def array(self) -> bool:
        return self in (MapKind.ARRAY, MapKind.PERCPU_ARRAY)

    @property
    def keyed(self) -> bool:
        """True if lookup, update and delete make sense."""
        return self is not MapKind.RINGBUF


@unique
class Argument(Enum):
    """What a helper wants in one argument register."""

    ANYTHING = "any number"
    MAP = "map"                                  # a map with keys and values
    RINGBUF = "ring buffer"                      # a map of kind RINGBUF
    MAP_KEY = "map key"                          # key_size readable, initialised bytes, of the map in the same call
    MAP_VALUE = "map value"                      # value_size readable bytes, likewise
    READABLE = "readable memory"                 # as many initialised bytes as the SIZE after it says
    READABLE_OR_NULL = "readable memory or null"     # the same; a null where that SIZE is 0
    WRITABLE = "writable memory"                 # as many bytes as the SIZE after it says; initialised by the call
    TARGET = "memory to copy to"                 # the same, but it gets the READABLE after it, or keeps all its bytes
    CHANGED = "memory to change"                 # readable and writable: initialised before as after the call
    SIZE = "size, at least 1"                    # number of bytes of the memory argument before it, 1 or more
    SIZE_OR_ZERO = "size"                        # the same, 0 allowed
    CONSTANT_SIZE = "constant size"              # a constant known to the verifier, at least 1
    RING_RECORD = "reserved ring record"         # what ringbuf_reserve returned, at offset 0
    CONTEXT = "context"
    PRINTED = "number, as many as the format asks for"    # of the format string in r1; the others need not be set


@unique
class Return(Enum):
    """What a helper leaves in r0."""

    NUMBER = "number"
    ERROR = "zero or a negative error number"    # 0 or -4095 … -1
    MAP_VALUE_OR_NULL = "map value or null"
    RING_RECORD_OR_NULL = "ring record or null"  # as many bytes as the CONSTANT_SIZE argument says


@dataclass(frozen=True, slots=True)
class Helper:
    """One helper function as a program sees it. `name` is also its name on the native border (`tr_helper_<name>`)."""

    id: int
    name: str
    returns: Return
    arguments: tuple[Argument, ...]
    acquires: bool = False       # r0, when not null, must be released
    releases: bool = False       # takes a RING_RECORD that was acquired


@unique
class FieldKind(Enum):
    """What a program gets when it loads a context field."""

    NUMBER = "number"
    SIGNED = "signed number"                     # loads as NUMBER does: sign extension is the instruction's
    TEXT = "zero-padded text"                    # its bytes are numbers
    DATA = "start of the payload"
    DATA_END = "end of the payload"

    @property
    def pointer(self) -> bool:
        """True if a load gives a pointer, not a number."""
        return self in (FieldKind.DATA, FieldKind.DATA_END)


@dataclass(frozen=True, slots=True)
class ContextField:
    """A part of the context a program may load whole.

    `offset` and `size` are what the program's instruction says. DATA and DATA_END are pointers: the machine loads
    8 bytes at `native_offset` instead, whatever size the program's header gave them (4 in struct xdp_md).
    """

    name: str
    offset: int
    size: int
    kind: FieldKind = FieldKind.NUMBER
    native_offset: int = -1      # -1: the same as offset

    @property
    def ctype(self) -> str:
        """The field's type as a C program declares it."""
        if self.kind.pointer:
            return "const u8 *"
        if self.kind is FieldKind.TEXT:
            return f"char[{self.size}]"
        if self.size not in (1, 2, 4, 8):
            return f"u8[{self.size}]"
        return f"{'s' if self.kind is FieldKind.SIGNED else 'u'}{8 * self.size}"


@dataclass(frozen=True, slots=True)
class Context:
    """A context structure. Read-only.

    With `fields` empty, every byte in [first, size) is a readable number at any size and alignment (tracepoint
    records); the highest byte a program reads goes into its certificate and is checked at attach. Otherwise fields
    may be read in part, pointer fields only whole, gaps not at all.
    """

    size: int
    fields: tuple[ContextField, ...] = ()
    first: int = 0


@dataclass(frozen=True, slots=True)
class ProgramType:
    """What a kind of program gets and may return."""

    name: str
    sections: tuple[str, ...]                # section name, or prefix up to a "/"
    context: Context
    helpers: frozenset[int]                  # ids it may call
    returns: tuple[int, int] | None = None   # inclusive signed range of r0's 64 bits at exit; None: any number
    packet_loads: bool = False               # legacy BPF_ABS and BPF_IND allowed
    verdicts: Mapping[int, str] = field(default_factory=dict)    # what its return values mean
    own_helpers: tuple[Helper, ...] = ()     # only this type has them: another type's may have the same ids


@dataclass(frozen=True)
class Platform:
    """All tables of one platform."""

    name: str
    helpers: tuple[Helper, ...]
    maps: dict[int, MapKind]                 # number in an object -> kind
    program_types: tuple[ProgramType, ...]
    unserved_maps: Mapping[int, str] = field(default_factory=dict)    # kinds that only have a name here
    unserved_sections: tuple[str, ...] = ()                           # sections of types that nothing here feeds
    helper_by_id: dict[int, Helper] = field(init=False)
    type_by_name: dict[str, ProgramType] = field(init=False)
    helpers_by_type: dict[str, dict[int, Helper]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "helper_by_id", {helper.id: helper for helper in self.helpers})
        object.__setattr__(self, "type_by_name", {kind.name: kind for kind in self.program_types})
        object.__setattr__(self, "helpers_by_type", {kind.name: self._helpers_of(kind) for kind in self.program_types})

    def _helpers_of(self, kind: ProgramType) -> dict[int, Helper]:
        """Return the helpers that programs of a type may call, by id."""
        shared = {helper.id: helper for helper in self.helpers if helper.id in kind.helpers}
        return shared | {helper.id: helper for helper in kind.own_helpers}

    def type_of_section(self, section: str) -> ProgramType | None:
        """Return the program type whose section name, or prefix before a "/", this is."""
        head = section.split("/", 1)[0]
        for kind in self.program_types:
            if head in kind.sections:
                return kind
        return None
