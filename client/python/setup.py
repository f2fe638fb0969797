"""Builds the extension: libasof's C and the server's files that it takes, compiled into one module.

Nothing but a C compiler and Python's headers (python3-dev) is needed. The C lies elsewhere in the repository; of a source
distribution, in its folder `taken`."""

import pathlib
import shutil

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

HERE = pathlib.Path(__file__).resolve().parent
TAKEN = HERE / "taken"
ROOT = TAKEN if TAKEN.exists() else HERE.parents[1]

# As LIBASOF_TAKES of the Makefile has it.
SERVER_FILES = [f"base/{name}.c" for name in ("arena", "buffer", "bytes", "check", "clock", "number", "status")] + [
    "protocol/protobuf.c"]
FOLDERS = ("client/libasof", "server/base", "server/protocol", "server/model")


def sources_of(root):
    """The C files that are compiled, below a root."""
    library = sorted(path for path in (root / "client/libasof").glob("*.c") if path.name != "example.c")
    return library + [root / "server" / name for name in SERVER_FILES]


def take(target):
    """Copies what is compiled, and the headers beside it, to a folder."""
    needed = set(sources_of(ROOT))
    for folder in FOLDERS:
        (target / folder).mkdir(parents=True, exist_ok=True)
        for path in (ROOT / folder).iterdir():
            if path.suffix == ".h" or path in needed:
                shutil.copy2(path, target / folder)


class BuildExtension(build_ext):
    """Compiles copies, as objects are put beside their sources' paths, which must not lead out of the build's folder."""

    def build_extension(self, extension):
        copies = pathlib.Path(self.build_temp) / "taken"
        shutil.rmtree(copies, ignore_errors=True)
        take(copies)
        extension.sources += [str(path) for path in sources_of(copies)]
        extension.include_dirs += [str(copies / "server"), str(copies / "client/libasof")]
        extension.depends += extension.sources
        super().build_extension(extension)


class SourceDistribution(sdist):
    """Takes the C along."""

    def make_release_tree(self, base_dir, files):
        super().make_release_tree(base_dir, files)
        take(pathlib.Path(base_dir) / "taken")


setup(
    ext_modules=[Extension(
        "asof._native",
        sources=[f"native/{name}.c" for name in ("module", "columns_in", "answer", "values", "client", "stream", "loop")],
        depends=["native/native.h", "native/exports.map"],
        define_macros=[("_GNU_SOURCE", None)],
        extra_compile_args=["-std=gnu11", "-fvisibility=hidden", "-ffp-contract=off"],
        extra_link_args=["-Wl,--version-script=native/exports.map"],
        libraries=["m", "pthread"],
        py_limited_api=True,
    )],
    cmdclass={"build_ext": BuildExtension, "sdist": SourceDistribution},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
