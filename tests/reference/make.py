#!/usr/bin/env python3
"""Writes the fixtures beside this file, by PyTorch in double: every family, or those named.

Needs torch, numpy and safetensors (Debian: python3-torch python3-safetensors). A family is a Python file in families/
that makes a Family (cases.py) and adds its cases; the C++ side of it is FAMILY_reference_test.cpp here, a table of calls
(tests/support/reference.hpp).
"""
import runpy
import sys
from pathlib import Path

here = Path(__file__).parent
sys.path.insert(0, str(here))
for file in sorted((here / "families").glob("*.py")):
    if len(sys.argv) == 1 or file.stem in sys.argv[1:]:
        runpy.run_path(str(file), run_name="__main__")
