"""Write every worked example anew into the pages of docs/protocol: `python -m tests.protocol.regenerate`.

Whatever it changes is a change of a format: nodes in use could no longer talk to new ones, so a version must change.
"""

from __future__ import annotations

from tests.protocol.examples import examples
from tests.protocol.layout import FOLDER, pages, rendered


def main() -> None:
    for name, page in pages().items():
        (FOLDER / name).write_text(rendered(page, examples()), encoding="utf-8")


if __name__ == "__main__":
    main()
