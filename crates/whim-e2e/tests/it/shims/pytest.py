"""Runs the functions `test_*` of tests/test_*.py, and prints a summary like pytest's."""

import glob
import importlib.util
import sys
import traceback

sys.dont_write_bytecode = True
sys.path[:0] = ["", "src"]
passed = failed = 0
for path in sorted(glob.glob("tests/test_*.py")):
    spec = importlib.util.spec_from_file_location("tests_of_a_sample", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in dir(module):
        if name.startswith("test_"):
            try:
                getattr(module, name)()
                passed += 1
            except Exception:
                traceback.print_exc()
                failed += 1
counts = [f"{failed} failed"] * (failed > 0) + [f"{passed} passed"] * (passed > 0)
print(f"{', '.join(counts)} in 0.01s")
sys.exit(1 if failed else 0)
