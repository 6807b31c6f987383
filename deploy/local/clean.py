"""`make clean`: deletes the state of `make run` and `make demo`, also where the servers' own user kept it outside the checkout."""

import sys
from contextlib import ExitStack

from deploy.local.checkout import CACHE, DEMO, LOCAL, only_one
from deploy.local.errors import LocalError
from deploy.local.places import forget_folder


def main() -> None:
    """Refuses while either of them runs."""
    if not LOCAL.exists():
        return
    try:
        with ExitStack() as locks:
            locks.enter_context(only_one(LOCAL, "Purser"))
            locks.enter_context(only_one(DEMO, "The demo"))
            for folder in (LOCAL, DEMO):
                forget_folder(folder / "postgres" / "server")
                forget_folder(folder / "rabbitmq" / "node")
            forget_folder(CACHE / "programs")
    except LocalError as error:
        print(f"clean: {error}", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
