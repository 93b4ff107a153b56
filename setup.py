"""What pyproject.toml cannot say: the wheel holds one executable, the launcher, built from one C file.

Everything else is declared there. Without a C compiler, or without a static C library, the package is
built without it, and `podwire install` writes launchers in Python.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import ClassVar

from setuptools import Command, Distribution, setup
from setuptools._distutils.ccompiler import new_compiler
from setuptools._distutils.errors import CCompilerError, DistutilsExecError
from setuptools._distutils.sysconfig import customize_compiler
from setuptools.command.build import build

SOURCE = Path("podwire/install/launcher.c")
FLAGS = ["-std=c11", "-Os", "-Wall", "-Wextra"]


class BuildLauncher(Command):
    """Compile the launcher: into the wheel, or beside its source where the install is editable."""

    description = "compile the launcher (podwire/install/launcher.c)"
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
        folder = SOURCE.parent if self.editable_mode else Path(self.build_lib, SOURCE.parent)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            objects = compiler.compile([str(SOURCE)], output_dir=self.build_temp, extra_postargs=FLAGS)
            compiler.link_executable(objects, str(folder / "launcher"), extra_postargs=["-static", "-s"])
        except (CCompilerError, DistutilsExecError) as error:
            (folder / "launcher").unlink(missing_ok=True)
            sys.stderr.write(f"podwire: the launcher was not built, a Python one will do its work: {error}\n")

    def get_source_files(self) -> list[str]:
        return [str(SOURCE)]

    def get_outputs(self) -> list[str]:
        return [] if self.editable_mode else [str(Path(self.build_lib, SOURCE.parent, "launcher"))]

    def get_output_mapping(self) -> dict[str, str]:
        return {}


class Build(build):
    sub_commands: ClassVar = [*build.sub_commands, ("build_launcher", None)]


class PlatformDistribution(Distribution):
    """A distribution whose wheel is for one platform: an executable is in it."""

    def has_ext_modules(self) -> bool:
        return True


setup(distclass=PlatformDistribution, cmdclass={"build": Build, "build_launcher": BuildLauncher})
