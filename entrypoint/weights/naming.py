"""Whatever goes wrong with a file of weights is said as one kind of error, which names the file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from entrypoint.errors import WeightsError
from entrypoint.host import memory
from entrypoint.host.shortage import shortage_of
from entrypoint.text import shown


@contextmanager
def naming(path: Path, kind: str, advice: str = "") -> Iterator[None]:
    """Have WeightsErrors within the block name the file, and have its odd values be such errors, of `kind` of file.

    `advice` stands behind what is said with a WeightsError already. What says that memory is out passes.
    """
    try:
        yield
    except WeightsError as error:
        message = str(error)
        named = message if message.startswith(path.name) else f"{path.name}: {message}"
        raise type(error)(shown(named + advice)) from error
    except OSError as error:
        if shortage_of(error, path.name):
            raise
        raise WeightsError(shown(f"{path.name}: cannot be read: {error.strerror}")) from error
    except RecursionError as error:
        raise WeightsError(shown(f"{path.name}: its layers contain themselves")) from error
    except Exception as error:
        if memory.is_out_of_memory(error):
            raise
        what = f"{type(error).__name__}: {str(error)[:200]}"
        raise WeightsError(shown(f"{path.name}: holds values that no {kind} has ({what})")) from error
