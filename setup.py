"""Build of the compiled kernels; everything else about the package stands in pyproject.toml."""

from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

ROOT = Path(__file__).parent
COMPILED = Path("src/catenary/compiled")
KERNELS = sorted((ROOT / COMPILED).glob("[!_]*.py"))
HEADERS = sorted(str(COMPILED / path.name) for path in (ROOT / COMPILED).glob("*.h"))

setup(
    ext_modules=cythonize(
        [
            Extension(
                f"catenary.compiled.{path.stem}",
                [str(path.relative_to(ROOT))],
                include_dirs=[str(COMPILED)],
                depends=HEADERS,
                # No contraction of multiply and add: a fused product would differ between machines.
                extra_compile_args=["-O3", "-ffp-contract=off", "-fno-strict-aliasing"],
            )
            for path in KERNELS
        ]
        + [Extension("catenary.compiled._shared", [str(COMPILED / "_shared.c")])],
        # One copy of what typed memoryviews need, instead of one in every module: a third of the time.
        shared_utility_qualified_name="catenary.compiled._shared",
        compiler_directives={
            "language_level": "3",
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
        },
        include_path=["src"],
        build_dir="build/cython",
    )
)
