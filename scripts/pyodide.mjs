// Runs pytest in Pyodide, which is CPython in WebAssembly, under Node.js.
// Usage: node pyodide.mjs PYODIDE SITE SOURCES [pytest arguments]
// PYODIDE is the folder of the npm package, SITE holds what pip has installed for it, SOURCES the
// tests.
import { pathToFileURL } from "node:url";

const [folder, site, sources, ...options] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${folder}/pyodide.mjs`));
const pyodide = await loadPyodide({ indexURL: folder });
pyodide.mountNodeFS("/site", site);
pyodide.mountNodeFS("/sources", sources);
pyodide.globals.set("options", pyodide.toPy(options));
try {
  process.exitCode = pyodide.runPython(`
import os, platform, sys
sys.path.insert(0, "/site")
os.chdir("/sources")
import pytest, wscore
assert wscore.__file__.startswith("/site/"), wscore.__file__
print(f"CPython {platform.python_version()} on {sys.platform}, wscore {wscore.__version__}, {wscore.BACKEND}")
# Nothing can interrupt a test, and nothing is kept.
int(pytest.main(["--timeout=0", "-p", "no:cacheprovider", *options]))
`);
} catch (error) {
  console.error(error.message); // not the whole, which prints a line of a megabyte
  process.exitCode = 1;
}
