#!/usr/bin/env python3
"""Runs a notebook's code cells in order, in one namespace, without Jupyter.

    python run_notebook.py NOTEBOOK.ipynb
"""

import json
import pathlib
import sys

path = pathlib.Path(sys.argv[1])
namespace = {"__name__": "__main__"}
cells = [c for c in json.loads(path.read_text())["cells"] if c["cell_type"] == "code"]
for number, cell in enumerate(cells, 1):
    # The file name in a traceback says which cell it was.
    exec(compile("".join(cell["source"]), f"{path.name}, cell {number}", "exec"), namespace)
print(f"{path.name}: {len(cells)} cells ran")
