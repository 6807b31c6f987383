"""`make bench`: the ledger alone, then the whole road; ARGS are the road's (`make bench ARGS="--runs 5"`)."""

import asyncio
import subprocess
import sys

from tests.bench import bench_road

if __name__ == "__main__":
    if not {"-h", "--help"} & set(sys.argv[1:]):
        subprocess.run([sys.executable, "-m", "tests.bench.bench_ledger"], check=True)
    asyncio.run(bench_road.main())
