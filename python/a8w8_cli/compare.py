"""a8w8 compare: a float model and its quantized one on the same texts."""

import argparse
import sys
from pathlib import Path

from ._command import exit_status, positive

SENTENCES = (
    "The library opens at nine in the morning and closes at eight.",
    "She repaired the old radio with a soldering iron and a lot of patience.",
    "Prices of copper rose again after the mine in the north was flooded.",
    "How long does it take to walk from the station to the harbour?",
    "def mean(values):\n    return sum(values) / len(values)",
    "Water boils at a lower temperature in the mountains, because the air pressure is lower.",
    "The committee has not yet decided whether the bridge will be rebuilt in steel or in concrete.",
    "Add two eggs, 200 g of flour and a pinch of salt, then stir until the dough is smooth.",
    "In 1969 two people walked on the moon while a third one stayed in orbit.",
    "人工智能模型可以用八位整数来计算。",
    "Der Zug nach Hamburg hat heute leider eine halbe Stunde Verspätung.",
    "Nobody answered the phone, so he wrote a letter and waited for three weeks.",
    "The function returns an error if the file is missing, empty or not readable.",
    "Her grandmother planted this apple tree in the year of the great storm.",
    "Twelve of the eighteen patients felt better after the first week of treatment.",
    "Turn left at the lights, pass the school, and park behind the red building.",
)
_RANDOM_IDS = (8, 32)  # sequences, and tokens of each
_BATCH = 4


def main(arguments: list[str]) -> int:
    """Exit status: 0 compared, 1 something is wrong with the folders, 2 wrong usage."""
    options = _parser().parse_args(arguments)
    return exit_status(lambda: _compare(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="a8w8 compare",
        description="Runs a float model and its quantized one side by side: each quantized layer on the inputs of its "
        "original, and both models end to end. Says which layers lose how much, and why.",
    )
    parser.add_argument("float_dir", type=Path, metavar="FLOAT_DIR", help="the float model: config.json and weights")
    parser.add_argument("dir", type=Path, metavar="DIR", help="the same model, quantized")
    parser.add_argument("--texts", type=Path, metavar="FILE", help="a text a line; default: sentences of our own")
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N texts")
    parser.add_argument("--max-length", type=positive, default=256, metavar="L", help="tokens of a text (%(default)s)")
    parser.add_argument("--dtype", choices=("auto", "float32", "bfloat16", "float16"), default="auto",
                        help="of both models; default: what each config.json says")  # fmt: skip
    parser.add_argument("--parity", choices=("exact", "vllm-ascend"), default="exact", help="(%(default)s)")
    parser.add_argument("--rows", type=positive, default=20, metavar="N", help="layers in the table (%(default)s)")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with plots and all layers")
    parser.add_argument(
        "--json", nargs="?", const="-", metavar="FILE", help="write JSON; without FILE print it instead"
    )
    return parser


def _compare(options: argparse.Namespace) -> int:
    _check_paths(options)
    texts = _texts(options)
    import a8w8

    from . import _models
    from .float_model import load_float_model

    _models.be_quiet()
    dtype = _models.DTYPES.get(options.dtype, "auto")
    config = _models.read_config(options.dir)
    reference = load_float_model(options.float_dir, dtype)
    model = a8w8.load_model(options.dir, dtype=dtype, parity=options.parity)
    options.max_length = min(options.max_length, _models.longest_input(reference) or options.max_length)
    batches, source = _inputs(options, texts, int(config.get("vocab_size", 0)))
    for batch in batches:
        _models.check_ids(reference, batch["input_ids"], source)
    about = {
        "model": options.dir.absolute().name,
        "float model": f"{options.float_dir} ({type(reference).__name__}, {_name(reference.dtype)})",
        "quantized model": f"{options.dir} (activations in {_name(model.dtype)}, parity {options.parity})",
        "inputs": f"{source}, {sum(batch['input_ids'].numel() for batch in batches)} tokens with padding",
    }
    comparison = a8w8.compare(reference, model, batches, progress=sys.stderr.isatty(), about=about)
    if options.json == "-":
        print(comparison.json())
    else:
        print(comparison.summary(), comparison.table(options.rows), sep="\n\n")
        if len(comparison.rows) > options.rows:
            print(f"... and {len(comparison.rows) - options.rows} better ones (--rows, --html or --json for all)")
        if options.json:
            Path(options.json).write_text(comparison.json(), encoding="utf-8")
    if options.html:
        options.html.write_text(comparison.html(), encoding="utf-8")
        if options.json != "-":
            print(f"\nPage: {options.html}")
    return 0


def _check_paths(options: argparse.Namespace) -> None:
    """What would fail at the end, or after seconds of imports, fails at once."""
    for folder in (options.float_dir, options.dir):
        if not folder.is_dir():
            problem = "is not a folder" if folder.exists() else "does not exist"
            raise ValueError(f"{folder} {problem}; a model is a folder with config.json and the weights")
    for option, value in (("--html", options.html), ("--json", None if options.json == "-" else options.json)):
        if value and not Path(value).absolute().parent.is_dir():
            raise ValueError(f"{option} {value}: the folder {Path(value).parent} does not exist")
        if value and Path(value).is_dir():
            raise ValueError(f"{option} {value} is a folder; a file name is needed")


def _texts(options: argparse.Namespace) -> list[str]:
    if options.texts is None:
        return list(SENTENCES)[: options.limit]
    try:
        lines = options.texts.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ValueError(f"--texts {options.texts}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"--texts {options.texts} is not UTF-8: byte {error.start}") from error
    texts = [line for line in lines if line.strip()][: options.limit]
    if not texts:
        raise ValueError(f"{options.texts} holds no text; expected is a text a line")
    return texts


def _inputs(options: argparse.Namespace, texts: list[str], vocab_size: int) -> tuple[list, str]:
    """Batches, and in words where they come from."""
    import torch

    from . import _models

    tokenizer = _models.load_tokenizer(options.dir, options.float_dir)
    if tokenizer is not None:
        source = f"{len(texts)} texts of {options.texts}" if options.texts else f"{len(texts)} sentences of a8w8's own"
        return _models.make_batches(tokenizer, texts, _BATCH, options.max_length), source
    if options.texts is not None:
        raise ValueError(f"--texts needs a tokenizer, but neither {options.dir} nor {options.float_dir} holds one")
    if vocab_size <= 0:
        raise ValueError(f"{options.dir} has no tokenizer, and its config.json no vocab_size to draw token ids from")
    sequences, length = _RANDOM_IDS
    length = min(length, options.max_length)
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, vocab_size, (min(sequences, options.limit or sequences), length), generator=generator)
    batches = [{"input_ids": part, "attention_mask": torch.ones_like(part)} for part in ids.split(_BATCH)]
    return batches, f"{len(ids)} sequences of random token ids, for neither folder holds a tokenizer"


def _name(dtype: object) -> str:
    return str(dtype).removeprefix("torch.")
