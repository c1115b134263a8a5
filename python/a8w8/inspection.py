"""What a checkpoint folder holds, and everything that is wrong with it."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong or, as a warning, odd.

    `file` is empty where it concerns the folder as a whole, `tensor` where it concerns the whole file.
    """

    file: str
    tensor: str
    found: str
    expected: str
    cause: str
    is_warning: bool

    def __str__(self) -> str:
        """One sentence: where, what was found, what must be, the likely cause."""
        where = (f"{self.file}: " if self.file else "") + (f'tensor "{self.tensor}" ' if self.tensor else "")
        expected = f"; must be {self.expected}" if self.expected else ""
        return f"{where}{self.found}{expected}" + (f"; likely cause: {self.cause}" if self.cause else "")


@dataclass(frozen=True)
class TensorGroup:
    """Layers of one quantized type with all their tensors, or as "FLOAT" everything else."""

    quant_type: str
    is_quantized: bool
    layers: int
    tensors: int
    bytes: int


@dataclass(frozen=True)
class CheckpointReport:
    """The result of `inspect`.

    Attributes:
        folder: as it was given.
        format: "msmodelslim", "compressed-tensors", "float" or "unknown".
        scheme: what is quantized and how, in one sentence.
        model_dtype: the dtype that config.json names, or "".
        architectures: the classes that config.json names.
        groups: tensors by type, quantized ones first.
        float_layers: modules with a float matrix: embeddings, heads, layers that were left out.
        files: the number of files with weights.
        total_bytes: of all tensors.
        ok: whether nothing is wrong; warnings do not count.
        findings: at most the first thousand.
        findings_omitted: how many more there are.
    """

    folder: str
    format: str
    scheme: str
    model_dtype: str
    architectures: list[str]
    groups: list[TensorGroup]
    float_layers: list[str]
    files: int
    total_bytes: int
    ok: bool
    findings: list[Finding]
    findings_omitted: int

    @property
    def problems(self) -> list[Finding]:
        """The findings that are no warnings."""
        return [finding for finding in self.findings if not finding.is_warning]

    @property
    def warnings(self) -> list[Finding]:
        """What is ignored, and what looks odd."""
        return [finding for finding in self.findings if finding.is_warning]


def inspect(path: str | Path) -> CheckpointReport:
    """Reads a folder of any format, good or bad, and reports all that is wrong with it at once.

    Damaged files and bad layers are findings, not errors; reading goes on behind them. Of weights, only int4 ones are
    read, to compare them with their scale_bias.

    Raises:
        RuntimeError: the folder does not exist or cannot be listed.
    """
    report = json.loads(torch.ops.a8w8.inspect(str(path)))
    report["groups"] = [TensorGroup(**group) for group in report["groups"]]
    report["findings"] = [Finding(**finding) for finding in report["findings"]]
    return CheckpointReport(**report)
