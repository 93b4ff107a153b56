"""What pyproject.toml cannot say: the wheel holds two executables, each built from one C file.

`launcher` is what lies in /opt/cni/bin, `starter` what a pod's processes begin as. All else is declared
there. Without a C compiler the package is built without them, and Python does the same work, slower.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import ClassVar, NamedTuple

from setuptools import Command, Distribution, setup
from setuptools._distutils.ccompiler import CCompiler, new_compiler
from setuptools._distutils.errors import CCompilerError, DistutilsExecError
from setuptools._distutils.sysconfig import customize_compiler
from setuptools.command.build import build


class Way(NamedTuple):
    """Options for compiling, and for linking."""

    compile: tuple[str, ...]
    link: tuple[str, ...]


COMMON = ("-std=gnu11", "-Os", "-Wall", "-Wextra")
BARE = ("-ffreestanding", "-fno-stack-protector", "-fno-asynchronous-unwind-tables")
# Without a C library a sleeping starter is a few pages; on a machine whose entry it does not know, with one
PROGRAMS = {
    Path("podwire/install/launcher.c"): (Way(COMMON, ("-static", "-s")),),
    Path("pod_runner/kernel/starter.c"): (
        Way((*COMMON, *BARE), ("-static", "-nostdlib", "-Wl,-z,noexecstack", "-s")),
        Way((*COMMON, "-DWITH_LIBC"), ("-static", "-s")),
    ),
}


class BuildPrograms(Command):
    """Compile the programs: into the wheel, or beside their sources where the install is editable."""

    description = "compile the launcher and the starter"
    user_options: ClassVar = []

    def initialize_options(self) -> None:
        self.build_lib = None
        self.build_temp = None
        self.editable_mode = False

    def finalize_options(self) -> None:
        self.set_undefined_options("build", ("build_lib", "build_lib"), ("build_temp", "build_temp"))

    def run(self) -> None:
        compiler = new_compiler()
        customize_compiler(compiler)
        for source, ways in PROGRAMS.items():
            target = self._target(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            if not any(self._build(compiler, source, target, way) for way in ways):
                target.unlink(missing_ok=True)
                sys.stderr.write(f"podwire: {source} was not built, Python will do its work\n")

    def _build(self, compiler: CCompiler, source: Path, target: Path, way: Way) -> bool:
        try:
            objects = compiler.compile(
                [str(source)], output_dir=self.build_temp, extra_postargs=[*way.compile]
            )
            compiler.link_executable(objects, str(target), extra_postargs=[*way.link])
        except (CCompilerError, DistutilsExecError) as error:
            sys.stderr.write(f"podwire: {source}: {error}\n")
            return False
        return True

    def _target(self, source: Path) -> Path:
        folder = source.parent if self.editable_mode else Path(self.build_lib, source.parent)
        return folder / source.stem

    def get_source_files(self) -> list[str]:
        return [str(source) for source in PROGRAMS]

    def get_outputs(self) -> list[str]:
        return [] if self.editable_mode else [str(self._target(source)) for source in PROGRAMS]

    def get_output_mapping(self) -> dict[str, str]:
        return {}


class Build(build):
    sub_commands: ClassVar = [*build.sub_commands, ("build_programs", None)]


class PlatformDistribution(Distribution):
    """A distribution whose wheel is for one platform: executables are in it."""

    def has_ext_modules(self) -> bool:
        return True


setup(distclass=PlatformDistribution, cmdclass={"build": Build, "build_programs": BuildPrograms})
