"""From an object's specs to a job: what the verifier gets to see of a program."""

from __future__ import annotations

from tracerd.elf.spec import MapSpec, ObjectSpec, ProgramSpec
from tracerd.errors import ObjectError
from tracerd.isa.encode import encode
from tracerd.platforms.model import Platform, ProgramType
from tracerd.verifier.job import Job, MapFacts, Options


def make_job(
    obj: ObjectSpec,
    program: ProgramSpec,
    platform: Platform,
    program_type: ProgramType | None = None,
    options: Options | None = None,
) -> Job:
    """Describe one program of an object for a proof. Its type follows from its section unless given.

    Raises:
        ObjectError: the section names no program type of the platform, or a map is of a kind not supported.
    """
    kind = program_type or platform.type_of_section(program.section)
    if kind is None and program.section.split("/", 1)[0] in platform.unserved_sections:
        raise unserved(obj.path, program, platform)
    if kind is None:
        known = ", ".join(sorted(name for each in platform.program_types for name in each.sections))
        raise ObjectError(
            obj.path,
            f"section {program.section!r} of program {program.name!r} names no {platform.name} program type "
            f"(known: {known}); say which with --type",
        )
    return Job(
        program=program.name,
        platform=platform.name,
        type=kind.name,
        code=encode(program.instructions),
        subprograms=tuple((sub.name, sub.start, sub.end) for sub in program.subprograms),
        maps=tuple(_facts(obj, spec, platform) for spec in obj.maps),
        lines=tuple((start, line.file, line.line, line.text) for start, line in program.lines),
        options=options or Options(),
    )


def unserved(path: str, program: ProgramSpec, platform: Platform) -> ObjectError:
    """Return what is said of a program whose type is known and fed by nothing here."""
    return ObjectError(
        path,
        f"program {program.name!r} is of section {program.section!r}: tracerd knows the type and has no events for it; "
        f"of {platform.name} it runs {', '.join(each.name for each in platform.program_types)}",
    )


def _facts(obj: ObjectSpec, spec: MapSpec, platform: Platform) -> MapFacts:
    kind = platform.maps.get(spec.type)
    if spec.type in platform.unserved_maps:
        served = ", ".join(each.name.lower() for each in platform.maps.values())
        raise ObjectError(
            obj.path,
            f"map {spec.name!r} is a {platform.unserved_maps[spec.type]}, a kind of map that tracerd does not have; "
            f"it has: {served}",
        )
    if kind is None:
        supported = ", ".join(f"{each.name.lower()} ({number})" for number, each in sorted(platform.maps.items()))
        raise ObjectError(obj.path, f"map {spec.name!r} is of type {spec.type}, not supported; supported: {supported}")
    return MapFacts(
        name=spec.name,
        kind=kind.value,
        key_size=spec.key_size,
        value_size=spec.value_size,
        max_entries=spec.max_entries,
        read_only=spec.read_only,
        contents=spec.contents,
    )
