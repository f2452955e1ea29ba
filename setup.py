"""Builds the kernel library: one shared object for each instruction set, chosen when loaded.

The library has no Python in it, so one wheel serves every version of Python. A machine without a
compiler installs the package without it (`optional`), and evaluation runs on numpy.
"""

import platform
from pathlib import Path
from typing import Any

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

KERNELS = Path("operators/kernels")
LEVELS = {"baseline": []}
if platform.machine().lower() in ("x86_64", "amd64") and platform.system() != "Windows":
    LEVELS |= {"v3": ["-march=x86-64-v3"], "v4": ["-march=x86-64-v4"]}

# For GCC and Clang, whose vector types the kernels are written in. Where there is neither, the
# extension is left out, and numpy evaluates.
# No -ffast-math: it changes results and the processor's mode. No contraction to fused operations:
# it depends on the shape of the loop, and the same value must have the same bits everywhere.
FLAGS = [
    "-std=c++17", "-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off",
    "-fvisibility=hidden", "-g0", "-pthread",
    # GCC 12 cannot compile the loops that it splits by conditions on whole registers.
    "-fno-unswitch-loops",
    # GCC's own AVX-512 header makes undefined registers on purpose, and warns of them.
    "-Wno-uninitialized", "-Wno-maybe-uninitialized",
]  # fmt: skip


class BuildKernels(build_ext):
    """Plain shared objects: no PyInit symbol, no Python version in the name."""

    def build_extension(self, ext: Extension) -> None:
        ext.extra_compile_args = FLAGS + ext.extra_compile_args
        ext.extra_link_args = ["-pthread"]
        # The same sources are compiled once for each level: their objects must not meet.
        shared, self.build_temp = self.build_temp, str(Path(self.build_temp) / ext.name)
        super().build_extension(ext)
        self.build_temp = shared

    def copy_file(self, infile: str, outfile: str, *args: Any, **kwargs: Any) -> tuple[str, bool]:
        """Copy beside the target, then rename: a process that runs keeps the file it has loaded."""
        copied, done = super().copy_file(infile, f"{outfile}.new", *args, **kwargs)
        if done:
            Path(copied).replace(outfile)
        return outfile, done

    def get_export_symbols(self, ext: Extension) -> list[str]:
        return []

    def get_ext_filename(self, fullname: str) -> str:
        suffix = {"Windows": ".dll", "Darwin": ".dylib"}.get(platform.system(), ".so")
        return str(Path(*fullname.split("."))) + suffix


class AnyPythonWheel(bdist_wheel):
    """A wheel that depends on the platform, not on the version of Python.

    One without kernels depends on neither, and its name says so: no index takes it for a full one.
    """

    def get_tag(self) -> tuple[str, str, str]:
        built = any(Path(self.bdist_dir).rglob("_kernels_*"))
        return "py3", "none", super().get_tag()[2] if built else "any"


setup(
    ext_modules=[
        Extension(
            f"alphamine.operators.kernels._kernels_{level}",
            sources=[str(source) for source in sorted(KERNELS.glob("*.cpp"))],
            depends=[str(header) for header in sorted(KERNELS.glob("*.hpp"))],
            extra_compile_args=flags,
            language="c++",
            optional=True,
        )
        for level, flags in LEVELS.items()
    ],
    include_package_data=False,
    cmdclass={"build_ext": BuildKernels, "bdist_wheel": AnyPythonWheel},
)
