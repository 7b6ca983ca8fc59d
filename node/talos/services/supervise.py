"""One peer's crash is not the node's: the task of that peer ends, and everybody else's goes on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable


async def supervise(
    name: str, work: Callable[[], Awaitable[None]], *, on_crash: Callable[[str, Exception], None]
) -> None:
    """Run `work` once; if it raises, hand `name` and the exception to `on_crash`, which counts and reports it.

    Cancellation passes through, also out of a group that mixes it with crashes. A crash is a bug of ours, or
    an input that no check of ours foresaw; expected errors are caught by name, inside `work`.
    """
    try:
        await work()
    except* Exception as crashes:
        # A lone exception arrives here wrapped; it goes out as it was raised.
        on_crash(name, crashes.exceptions[0] if len(crashes.exceptions) == 1 else crashes)
