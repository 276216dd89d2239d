"""Only what pyproject.toml cannot say: the C core is built by cffi."""

from setuptools import setup

setup(cffi_modules=["tracerd/native/build.py:ffi"])
