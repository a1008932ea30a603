from ._bench import bench as bench
from ._errors import BrokenProcessPool as BrokenProcessPool
from ._errors import JobDenied as JobDenied
from ._errors import JobTimeout as JobTimeout
from ._errors import MemoryLimit as MemoryLimit
from ._errors import RemoteError as RemoteError
from ._errors import WorkerCrashed as WorkerCrashed
from ._executor import ProcessPoolExecutor as ProcessPoolExecutor
from ._future import Future as Future
from ._joblib import register_joblib as register_joblib
from ._serve import serve as serve

__version__: str
__all__ = [
    "BrokenProcessPool",
    "Future",
    "JobTimeout",
    "MemoryLimit",
    "ProcessPoolExecutor",
    "RemoteError",
    "WorkerCrashed",
    "bench",
    "register_joblib",
    "serve",
]
