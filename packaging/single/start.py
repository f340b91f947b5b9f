"""Where the single file begins: the command, or a child of the daemon's (`-m MODULE`)."""

import os
import runpy
import sys

# What the loader set for itself, or kept aside: what we start (a command, a child) is not its.
# https://pyinstaller.org/en/stable/runtime-information.html#ld-library-path-libpath-considerations
kept = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
os.environ.pop("LD_LIBRARY_PATH", None)
if kept is not None:
    os.environ["LD_LIBRARY_PATH"] = kept
for name in [name for name in os.environ if name.startswith("_PYI_")]:
    del os.environ[name]

# dispatchd.children starts `<executable> -m <module>`: an interpreter's option, which this must do.
if sys.argv[1:2] == ["-m"]:
    module = sys.argv[2]
    sys.argv[:] = [sys.argv[0], *sys.argv[3:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
else:
    from dispatchd.cli import main

    main()
