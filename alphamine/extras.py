"""Optional packages, imported where they are needed and set so that a seed decides the outcome."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from .errors import MissingDependency


class Optional(NamedTuple):
    """The extra that installs a package, and what it is for."""

    extra: str
    purpose: str


OPTIONAL: Final[Mapping[str, Optional]] = MappingProxyType(
    {
        "duckdb": Optional("sql", "datasets from SQL"),
        "polars": Optional("polars", "panels from polars frames"),
        "scikit-learn": Optional("models", "linear models on a pool"),
        "lightgbm": Optional("models", "boosted trees on a pool"),
        "torch": Optional("models", "networks on a pool, and the searcher rl"),
        "optuna": Optional("models", "tuned models, and the searcher tune"),
        "sb3-contrib": Optional("rl", "the learner ppo of the searcher rl"),
        "ray": Optional("ray", "searches on a Ray cluster"),
        "pyqlib": Optional("qlib", "handlers and processors for qlib's workflows"),
        "openai": Optional("llm", "language models that propose formulas"),
    }
)


def require(module: str, purpose: str, package: str, extra: str = "models") -> Any:
    """A module that an extra installs.

    Parameters
    ----------
    module : str
        What is imported.
    purpose, package : str
        Who needs it ("networks need") and what it is called ("PyTorch"), for the error.
    extra : str
        Of alphamine, that brings it.

    Raises
    ------
    MissingDependency
        If it is not installed.
    """
    try:
        return import_module(module)
    except ImportError:
        raise MissingDependency(
            f"{purpose} {package}; install it with: pip install 'alphamine[{extra}]'"
        ) from None


_TORCH: Final = ("torch", "PyTorch")
_SKLEARN: Final = ("sklearn", "scikit-learn")
# What models by name are made with; the others need nothing.
_MADE_WITH: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        **dict.fromkeys(("ols", "ridge", "lasso", "elastic_net"), _SKLEARN),
        "lightgbm": ("lightgbm", "LightGBM"),
        **dict.fromkeys(("mlp", "gru", "transformer"), _TORCH),
    }
)


def require_for_model(name: str) -> None:
    """Raise `MissingDependency` if a model's package is not installed, before it is to be fitted.

    Parameters
    ----------
    name : str
        As in `alphamine.models.registry.MODELS`.
    """
    if name in _MADE_WITH:
        module, package = _MADE_WITH[name]
        require(module, f"the model {name} needs", package)


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """The last bits of PyTorch's sums depend on how many threads share them: one here."""
    torch = import_module("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def parzen_study(seed: int, purpose: str) -> Any:
    """An Optuna study that maximises by a tree-structured Parzen estimator, without its log."""
    optuna = require("optuna", purpose, "Optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
