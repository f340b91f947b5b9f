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

# dispatchd starts processes of its own as `<executable> -m MODULE`, or where they need none of the
# rest as `<executable> -I -S FILE`: an interpreter's options, which this must understand.
if sys.argv[1:2] == ["-m"]:
    module = sys.argv[2]
    sys.argv[:] = [sys.argv[0], *sys.argv[3:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
elif sys.argv[1:3] == ["-I", "-S"]:
    runpy.run_path(sys.argv[3], run_name="__main__")
else:
    from dispatchd.cli import main

    main()
