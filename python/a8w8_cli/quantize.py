"""`a8w8 quantize` where the model has to run: static calibration, smoothing. The program's verb does all else."""

import argparse
import contextlib
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._command import Problem, Usage, exit_status
from .calibration_inputs import check_calibration_file, read_batches
from .float_model import check_output, choose_layers, load_float_model

if TYPE_CHECKING:
    from a8w8 import Calibration
    from a8w8.smoothing import Smoothing

METHODS = ("minmax", "moving-average", "percentile")
NAMES_SHOWN = 4


def main(arguments: list[str]) -> int:
    """Runs the verb; the exit status: 0 fine, 1 something is wrong with the files, 2 wrong usage."""
    options = _parse(arguments)

    def work() -> int:
        _check(options)
        return _quantize(options)

    return exit_status(work)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "a8w8 quantize",
        description="A float model's folder to a W8A8 checkpoint, with calibration or smoothing, which run the model.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("float_dir", type=Path, help="the model's folder: config.json, weights, tokenizer")
    add("-o", "--output", type=Path, required=True, help="the folder to write; it appears whole or not at all")
    add("--scheme", choices=("w8a8", "w8a8_dynamic"), required=True, help="static or per row of input")
    add("--format", choices=("msmodelslim", "compressed-tensors"), default="msmodelslim", help="of the folder")
    add(
        "--calibration",
        type=Path,
        metavar="FILE",
        help='what the model is to read: a text a line; .jsonl with "text"; .safetensors, .npz or .pt with input_ids',
    )
    add("--method", choices=METHODS, help="how the range of inputs is found (minmax)")
    add("--percentile", type=float, metavar="P", help="of --method percentile: how many values are inside (99.99)")
    add("--averaging", type=float, metavar="C", help="of --method moving-average: weight of the newest batch (0.01)")
    add(
        "--symmetric",
        action=argparse.BooleanOptionalAction,
        help="input offset 0 (as runtimes of the format want it: no for msmodelslim, yes for compressed-tensors)",
    )
    add("--smooth", type=float, metavar="ALPHA", help="move outlier channels into the weights, 0 to 1, usually 0.5")
    add(
        "--skip",
        nargs="+",
        action="extend",
        default=[],
        metavar="PATTERN",
        help="layers to leave float: names, or patterns with * ? [...]; output head and routers stay float anyway",
    )
    add("--batch-size", type=int, default=1, metavar="B", help="texts of equal length at once (1)")
    add("--max-length", type=int, default=512, metavar="L", help="tokens of a text that are used (512)")
    add("--samples", type=int, metavar="N", help="use the first N texts only (all)")
    add("--part-size", type=int, default=4 << 30, metavar="BYTES", help="largest file (4 GiB)")
    add("--json", action="store_true", help="print JSON")
    return parser.parse_args(arguments)


def _check(options: argparse.Namespace) -> None:
    """What is wrong with the options themselves, before anything is loaded."""
    needs = options.scheme == "w8a8" or options.smooth is not None
    if needs and options.calibration is None:
        what = "--scheme w8a8" if options.scheme == "w8a8" else "--smooth"
        raise Usage(f"--calibration FILE is missing: {what} runs the model on texts like those it will see")
    if not needs:
        raise Usage("--calibration is for --scheme w8a8 and for --smooth; --scheme w8a8_dynamic alone needs no texts")
    if options.scheme != "w8a8" and not (options.method is options.percentile is options.averaging is None):
        raise Usage(
            "--method, --percentile and --averaging are for --scheme w8a8; dynamic layers have no range to find"
        )
    if options.scheme != "w8a8" and options.symmetric is not None:
        raise Usage("--symmetric is for --scheme w8a8; dynamic layers are symmetric")
    for name, method in (("percentile", "percentile"), ("averaging", "moving-average")):
        if getattr(options, name) is not None and options.method != method:
            raise Usage(f"--{name} is for --method {method}, but the method is {options.method or 'minmax'}")
    if options.smooth is not None and not 0 <= options.smooth <= 1:
        raise Usage(f"--smooth is {options.smooth:g}, allowed: 0 to 1")
    for name in ("batch_size", "max_length", "samples", "part_size"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise Usage(f"--{name.replace('_', '-')} is {value}, allowed: at least 1")
    check_calibration_file(options.calibration)
    check_output(options.output)


def _quantize(options: argparse.Namespace) -> int:
    with contextlib.redirect_stdout(sys.stderr):  # progress bars and what libraries say; stdout is for the result
        result, smoothing = _work(options)
    print(json.dumps(result, indent=2) if options.json else _text(result, smoothing))
    return 0


def _work(options: argparse.Namespace) -> "tuple[dict[str, Any], Smoothing | None]":
    """What is done, in words for programs."""
    import a8w8

    start = time.monotonic()
    method = _method(options)
    model = load_float_model(options.float_dir)
    chosen, kept = choose_layers(model, options.skip)
    inputs = read_batches(options, model.config)
    smoothing = None
    is_static = options.scheme == "w8a8"
    try:
        if options.smooth is not None:
            model, smoothing = a8w8.smooth_model(model, inputs.batches, options.smooth, layers=chosen)
        quantized = a8w8.quantize_model(
            model,
            options.scheme,
            inputs.batches if is_static else None,
            list(kept),
            method=method,
            format=options.format,
        )
    except TypeError as error:  # of model(**batch)
        raise Problem(f"{type(model).__name__} does not run on token ids alone: {error}") from error
    a8w8.save_checkpoint(quantized, options.output, options.format, options.part_size, source=options.float_dir)
    result = {
        "folder": str(options.output),
        "format": options.format,
        "scheme": options.scheme,
        "quantized": chosen,
        "kept": [{"name": name, "reason": reason} for name, reason in kept.items()],
        "calibration": {
            "file": str(options.calibration),
            "texts": inputs.texts,
            "batches": len(inputs.batches),
            "tokens": inputs.tokens,
            "method": method.method if is_static else None,
            "symmetric": method.is_symmetric(options.format) if is_static else None,
        },
        "smoothing": None if smoothing is None else vars(smoothing),
        "seconds": time.monotonic() - start,
    }
    return result, smoothing


def _method(options: argparse.Namespace) -> "Calibration":
    import a8w8

    given = {name: getattr(options, name) for name in ("method", "percentile", "averaging", "symmetric")}
    try:
        return a8w8.Calibration(**{name: value for name, value in given.items() if value is not None})
    except ValueError as error:
        raise Usage(error) from error


def _text(result: dict[str, Any], smoothing: "Smoothing | None") -> str:
    calibration = result["calibration"]
    ranges = ""
    if calibration["method"]:
        ranges = f", {calibration['method']}, {'symmetric' if calibration['symmetric'] else 'asymmetric'}"
    lines = [
        f"quantized      {len(result['quantized'])} linear layers to {result['scheme']}, format {result['format']}",
        f"calibrated     on {calibration['texts']} texts, {calibration['tokens']} tokens{ranges}",
    ]
    if smoothing is not None:
        names = [name for layers in smoothing.smoothed.values() for name in layers]
        lines.append(f"smoothed       {len(names)} layers with alpha {smoothing.alpha:g}: {_few(names)}")
        lines += [f"not smoothed   {reason}" for reason in smoothing.reasons()]
    by_reason: dict[str, list[str]] = {}
    for layer in result["kept"]:
        by_reason.setdefault(layer["reason"], []).append(layer["name"])
    lines += [f"stays float    {_few(names)} ({reason})" for reason, names in by_reason.items()]
    return "\n".join([*lines, f"written to     {result['folder']}"])


def _few(names: list[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more
