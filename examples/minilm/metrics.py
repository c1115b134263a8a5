"""What is measured, and how good int8 has to be."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

Matrix = NDArray[np.float32]

# The least mean cosine to the float32 embeddings, and the least share of float's paraphrase hits.
LEAST_COSINE = {"int8 dynamic": 0.995, "int8 static": 0.985}
LEAST_HITS = 0.98


@dataclass
class ModelResult:
    """One model on the evaluation half of the text."""

    name: str
    linear_bytes: int  # tensors of the linear layers
    other_bytes: int  # embeddings, norms
    disk_bytes: int | None  # safetensors files; None where the model is only made in memory
    cosine_mean: float = 1.0  # to the float32 embeddings
    cosine_worst: float = 1.0
    rank_correlation: float = 1.0  # of all pairwise similarities with those of float32
    hits: int = 0  # sentences whose nearest neighbour is their paraphrase
    sentences_per_second: float = 0.0
    layers: list[dict[str, Any]] = field(default_factory=list)  # comparison rows, worst first; int8 only


@dataclass
class Results:
    sentences: int
    batch_size: int
    rounds: int
    config: dict[str, Any]  # a8w8.config.current()
    torch_version: str
    models: list[ModelResult]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        return cls(**{**data, "models": [ModelResult(**model) for model in data["models"]]})

    def model(self, name: str) -> ModelResult:
        return next(model for model in self.models if model.name == name)


def cosines(reference: Matrix, vectors: Matrix) -> NDArray[np.float64]:
    """Per row."""
    a, b = reference.astype(np.float64), vectors.astype(np.float64)
    return (a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1))


def pair_similarities(vectors: Matrix) -> Matrix:
    """Dot products of all pairs i < j of unit vectors, flat."""
    return (vectors @ vectors.T)[np.triu_indices(len(vectors), k=1)]


def rank_correlation(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Spearman's, for values without ties worth mentioning."""
    ranks = [np.argsort(np.argsort(values)) for values in (a, b)]
    return float(np.corrcoef(*ranks)[0, 1])


def paraphrase_hits(vectors: Matrix) -> int:
    """How many sentences have their paraphrase (2i and 2i + 1 belong together) as nearest neighbour."""
    similarities = vectors @ vectors.T
    np.fill_diagonal(similarities, -np.inf)
    return int((similarities.argmax(axis=1) == (np.arange(len(vectors)) ^ 1)).sum())


def add_quality(result: ModelResult, reference: Matrix, vectors: Matrix) -> None:
    """Fills in everything that follows from the embeddings."""
    similar = cosines(reference, vectors)
    result.cosine_mean, result.cosine_worst = float(similar.mean()), float(similar.min())
    result.rank_correlation = rank_correlation(pair_similarities(reference), pair_similarities(vectors))
    result.hits = paraphrase_hits(vectors)


def shortfalls(results: Results) -> list[str]:
    """What is not good enough, in sentences; empty if int8 is good."""
    reference = results.model("float32")
    problems = []
    for name, least in LEAST_COSINE.items():
        result = results.model(name)
        if not result.cosine_mean >= least:  # catches NaN too
            problems.append(
                f"{name}: the mean cosine to float32 is {result.cosine_mean:.4f}, required: {least} or more"
            )
        if result.hits < LEAST_HITS * reference.hits:
            problems.append(
                f"{name}: {result.hits} paraphrases found, required: at least {LEAST_HITS:.0%} of {reference.hits}"
            )
    return problems
