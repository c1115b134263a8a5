"""The text of the demo: pairs of sentences that say the same thing in different words, on several topics."""

from dataclasses import dataclass
from pathlib import Path

TEXTS = Path(__file__).with_name("texts.tsv")  # topic, sentence, paraphrase


@dataclass(frozen=True)
class Pair:
    topic: str
    sentence: str
    paraphrase: str


def load_pairs(path: Path = TEXTS) -> list[Pair]:
    """All pairs; ValueError naming the line that does not hold three columns."""
    pairs = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        columns = line.split("\t")
        if len(columns) != 3 or not all(columns):
            raise ValueError(f"{path}:{number} holds {len(columns)} columns, allowed: topic, sentence, paraphrase")
        pairs.append(Pair(*columns))
    return pairs


def split(pairs: list[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Every other pair for calibration, the rest for evaluation, so that both halves hold every topic."""
    return pairs[0::2], pairs[1::2]


def sentences(pairs: list[Pair]) -> list[str]:
    """Flat: sentence 2i and 2i + 1 are paraphrases of each other (metrics.py relies on it)."""
    return [text for pair in pairs for text in (pair.sentence, pair.paraphrase)]
